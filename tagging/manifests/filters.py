"""Conditions on the rows of a manifest: "language=de", "category!=news"."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tagging.errors import InvalidManifestError


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of a field's text with a value, case-sensitive; a missing field is the empty text."""

    field: str
    value: str
    is_equal: bool = True

    @classmethod
    def parse(cls, text: str, fields: tuple[str, ...]) -> "Condition":
        """Return the condition FIELD=VALUE or FIELD!=VALUE. Raises InvalidManifestError."""
        field, sign, value = text.partition("=")
        is_equal = not field.endswith("!")
        field = field.removesuffix("!").strip()
        if not sign or field not in fields:
            raise InvalidManifestError(
                f"--where {text!r} is neither FIELD=VALUE nor FIELD!=VALUE", f"fields are {', '.join(fields)}"
            )
        return cls(field, value.strip(), is_equal)

    def holds(self, record: Mapping[str, Any]) -> bool:
        """Return whether a row meets the condition; record: field -> value."""
        found = record.get(self.field)
        return (("" if found is None else str(found)) == self.value) is self.is_equal

    def __str__(self) -> str:
        return f"{self.field}{'=' if self.is_equal else '!='}{self.value}"
