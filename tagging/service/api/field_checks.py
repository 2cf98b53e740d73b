"""Field violations of a request, collected and reported together."""

import re
from collections.abc import Sequence

from tagging.errors import InvalidRequestError
from tagging.service.errors.text_limits import shortened
from tagging.text.normalise import is_blank

MISSING = "required, but missing"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")  # Unicode's category Cc


class Fields:
    """Checks fields one by one; `finish` raises if there are violations. Lengths are in characters."""

    def __init__(self) -> None:
        self._violations: dict[str, str] = {}

    def violation(self, field: str, description: str) -> None:
        """Record a violation; the first one of a field is reported."""
        self._violations.setdefault(field, description)

    def text(self, field: str, value: str, longest: int) -> None:
        """Check free text, which may be empty."""
        if len(value) > longest:
            self.violation(field, f"{len(value)} characters, expected at most {longest}")
        elif "\0" in value:
            self.violation(field, f"U+0000 at character {value.index(chr(0)) + 1}, which is not allowed in text")

    def line(self, field: str, value: str, longest: int) -> None:
        """Check an id or a name, which is required and has no control characters."""
        if is_blank(value):
            self.violation(field, "required, found no visible character" if value else MISSING)
            return
        self.text(field, value, longest)
        if control := _CONTROL.search(value):
            self.violation(field, f"U+{ord(control[0]):04X} at character {control.start() + 1}, a control character")

    def pattern(self, field: str, value: str, pattern: re.Pattern[str], expected: str) -> None:
        """Check a required text that matches a pattern as a whole; expected: a description of the pattern."""
        if not pattern.fullmatch(value):
            self.violation(field, f"{shortened(value, 60)!r}, expected {expected}" if value else MISSING)

    def lines(self, field: str, values: Sequence[str], longest: int, most: int) -> None:
        """Check a list of at most `most` ids or names."""
        if len(values) > most:
            self.violation(field, f"{len(values)} values, expected at most {most}")
            return
        for index, value in enumerate(values):
            self.line(f"{field}[{index}]", value, longest)

    def number(self, field: str, value: float, low: float, high: float) -> None:
        """Check a number in [low, high]."""
        if not low <= value <= high:  # also rejects NaN
            self.violation(field, f"{value:g}, expected a number in [{low:g}, {high:g}]")

    def finish(self) -> None:
        """Raise InvalidRequestError with all violations, if there are any."""
        if self._violations:
            message = "; ".join(f"{field}: {description}" for field, description in self._violations.items())
            raise InvalidRequestError(message, "correct the request", self._violations)
