"""Validation of texts that both databases can store: PostgreSQL rejects zero bytes, UTF-8 lone surrogates."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tagging.errors import InvalidRecordError

ID_BYTES = 1024  # PostgreSQL indexes rows of up to 2,704 bytes
NAME_BYTES = 256
JSON_BYTES = 2**20
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def require_client_name(client: str) -> None:
    """Check the name of a client as `require_text` does; it is empty where clients are not authenticated."""
    if client:
        require_text("client", client)


def require_text(name: str, text: str, at_most: int = NAME_BYTES) -> None:
    """Raise InvalidRecordError unless the text is 1 to `at_most` bytes of UTF-8 that both databases can store."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidRecordError(f"{name} is no Unicode text") from error
    if not text or size > at_most or "\x00" in text:
        found = "a zero character in it" if "\x00" in text else f"{size} bytes"
        raise InvalidRecordError(f"{name} has {found}; expected 1 to {at_most} bytes of UTF-8 without zeros")


def require_time(at: datetime) -> None:
    # Databases store times at the ends of the calendar but cannot read them: their year may not exist in another zone.
    if at.tzinfo is None or not EARLIEST <= at < LATEST:
        raise ValueError(f"{at} has no time zone, or a year beyond 1970 to 8999")


def plain_json(name: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value as JSON restores it (lists for tuples). Raises InvalidRecordError if impossible or too large."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidRecordError(f"{name} cannot be written as JSON: {error}") from error
    if len(text) > JSON_BYTES:
        raise InvalidRecordError(f"{name} has {len(text)} bytes of JSON; expected at most {JSON_BYTES}")
    plain: dict[str, Any] = json.loads(text)
    return plain
