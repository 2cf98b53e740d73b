"""JSON values of dataclasses, within a budget of bytes: lists and texts are cut, and each cut is counted."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

DIGITS = 4  # after the decimal point
FIRST_ITEMS, FIRST_CHARACTERS = 1000, 20_000  # of each list and each text


@dataclass(frozen=True, slots=True)
class Cut:
    """A list or a text that is not shown completely."""

    field: str  # of the value, such as "Explanation.tags"
    shown: int
    total: int


@dataclass(slots=True)
class Cutter:
    """Conversion to JSON values in which no list is longer than `items`, and no text than `characters`."""

    items: int
    characters: int
    cuts: dict[str, Cut] = field(default_factory=dict)  # the largest of each field

    def value(self, value: object, name: str) -> Any:
        """Return dataclasses and mappings as objects, sequences as lists; NaN and infinity as None.

        name: of the field that holds the value, for `cuts`
        """
        if is_dataclass(value):
            kind = type(value).__name__
            return {item.name: self.value(getattr(value, item.name), f"{kind}.{item.name}") for item in fields(value)}
        if isinstance(value, Mapping):
            kept = list(value.items())[: self._length(name, len(value), self.items)]
            return {self.value(str(key), name): self.value(item, name) for key, item in kept}
        if isinstance(value, list | tuple):
            return [self.value(item, name) for item in value[: self._length(name, len(value), self.items)]]
        if isinstance(value, str):
            text = value.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate has no bytes
            length = self._length(name, len(text), self.characters)
            return text if length == len(text) else f"{text[:length]}…"
        if isinstance(value, float):
            return round(value, DIGITS) if math.isfinite(value) else None
        return value

    def _length(self, name: str, total: int, limit: int) -> int:
        if total > limit and total > (self.cuts[name].total if name in self.cuts else 0):
            self.cuts[name] = Cut(name, limit, total)
        return min(total, limit)


def fitted(make: Callable[[Cutter], Any], fits: Callable[[Any], bool]) -> Any:
    """Return what `make` makes with the largest limits at which it fits: the first ones, their halves, and so on."""
    items, characters = FIRST_ITEMS, FIRST_CHARACTERS
    while True:
        made = make(Cutter(items, characters))
        if fits(made) or items == 1:
            return made
        items, characters = max(1, items // 2), max(1, characters // 2)
