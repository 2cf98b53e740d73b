"""Conditions on the rows of a manifest: "language=de", "category!=news"."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tagging.errors import InvalidManifestError
from tagging.manifests.values import FieldError, id_of


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of a field's text with a value, case-sensitive; a missing field is the empty text.

    A whole number is compared as the same text as an id: a category 12.0 is "12".
    """

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
        return (_text(record.get(self.field), self.field) == self.value) is self.is_equal

    def __str__(self) -> str:
        return f"{self.field}{'=' if self.is_equal else '!='}{self.value}"


def _text(value: Any, field: str) -> str:
    try:
        return id_of(value, field)
    except FieldError:  # no id, such as a list of tags
        return str(value)
