"""The current call's context: logs, metrics and traces read it from here.

A context variable holds it, so it is present in everything that the call's task awaits, and in threads that were
started with `asyncio.to_thread`.
"""

import re
import uuid
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass

REQUEST_ID = "x-request-id"  # metadata key, of requests and of responses
_VALID_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")

Metadata = Iterable[tuple[str, str | bytes]]


@dataclass(slots=True)
class Call:
    """A call. Mutable: its client and error are added while it is handled."""

    request_id: str
    method: str  # of the contract of the service, or "other"
    client: str = ""  # name of the authenticated client; empty before authentication
    error: Exception | None = None  # the error that it failed with


_current: ContextVar[Call | None] = ContextVar("videotag_call", default=None)


def set_current(call: Call) -> None:
    """Make it the current call of this task. Tasks end with their call, so it is never reset."""
    _current.set(call)


def current() -> Call | None:
    """Return the current call, None outside of calls."""
    return _current.get()


def note_client(name: str) -> None:
    """Record the client of the current call."""
    if (call := _current.get()) is not None:
        call.client = name


def note_error(error: Exception) -> None:
    """Record the error that the current call fails with."""
    if (call := _current.get()) is not None:
        call.error = error


def request_id_of(metadata: Metadata) -> str:
    """Return the caller's request id if it is valid, else a new one.

    Valid ids are 1 to 128 letters, digits and .-_: that begin with a letter or digit.
    """
    for key, value in metadata:
        if key == REQUEST_ID and isinstance(value, str) and _VALID_ID.fullmatch(value):
            return value
    return uuid.uuid4().hex
