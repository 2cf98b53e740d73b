"""What is wrong with the fields of a request, all of it told at once."""

import re
import unicodedata
from collections.abc import Sequence

from tagging.errors import InvalidRequestError
from tagging.service.errors.text_limits import shortened


class Fields:
    """Looks at one field after the other; `finish` raises if something was wrong. Lengths are in characters."""

    def __init__(self) -> None:
        self._wrong: dict[str, str] = {}

    def wrong(self, field: str, told: str) -> None:
        """The first thing that is wrong with a field is the one that is told."""
        self._wrong.setdefault(field, told)

    def text(self, field: str, value: str, longest: int) -> None:
        """Free text, which may be empty."""
        if len(value) > longest:
            self.wrong(field, f"{len(value)} characters, at most {longest} are taken")
        elif "\0" in value:
            self.wrong(field, f"U+0000 at character {value.index(chr(0)) + 1}, which no text may have")

    def line(self, field: str, value: str, longest: int) -> None:
        """An id or a name: required, and without control characters."""
        if not value.strip():
            self.wrong(field, "required, and found nothing but white space" if value else "required, and left out")
            return
        self.text(field, value, longest)
        control = next((place for place, char in enumerate(value, 1) if unicodedata.category(char) == "Cc"), None)
        if control is not None:
            self.wrong(field, f"U+{ord(value[control - 1]):04X} at character {control}, a control character")

    def pattern(self, field: str, value: str, pattern: re.Pattern[str], told: str) -> None:
        """A text that is all of the pattern; told: what that is."""
        if not pattern.fullmatch(value):
            self.wrong(field, f"{shortened(value, 60)!r}, expected {told}" if value else "required, and left out")

    def lines(self, field: str, values: Sequence[str], longest: int, most: int) -> None:
        """So many lines at most."""
        if len(values) > most:
            self.wrong(field, f"{len(values)} of them, at most {most} are taken")
            return
        for place, value in enumerate(values):
            self.line(f"{field}[{place}]", value, longest)

    def number(self, field: str, value: float, least: float, most: float) -> None:
        if not least <= value <= most:  # also refuses NaN
            self.wrong(field, f"{value:g}, expected a number in [{least:g}, {most:g}]")

    def finish(self) -> None:
        """Raises InvalidRequestError with every field that was wrong."""
        if self._wrong:
            told = "; ".join(f"{field}: {what}" for field, what in self._wrong.items())
            raise InvalidRequestError(told, "correct the request", self._wrong)
