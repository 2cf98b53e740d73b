"""What is known of the call that is being answered: logs, metrics and traces all read it from here.

A context variable holds it, so it is there in everything the call's task awaits, and in threads that were started with
`asyncio.to_thread` or `followed`.
"""

import re
import uuid
from collections.abc import Callable, Iterable
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

REQUEST_ID = "x-request-id"  # key of the metadata, of requests and of answers
_GOOD_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Metadata = Iterable[tuple[str, str | bytes]]


@dataclass(slots=True)
class Call:
    """One call; what is learnt of it on the way is noted here."""

    request_id: str
    method: str  # one of tagging.service.observe.metrics.METHODS, or "other"
    client: str = ""  # as its token or certificate names it; empty before that is known
    error: Exception | None = None  # what it is refused for


_current: ContextVar[Call | None] = ContextVar("videotag_call", default=None)


def begin(call: Call) -> None:
    """From here on, in this task, it is the current one. Tasks end with their call, so it is never reset."""
    _current.set(call)


def current() -> Call | None:
    return _current.get()


def note_client(name: str) -> None:
    """Says whose call it is."""
    if (call := _current.get()) is not None:
        call.client = name


def note_error(error: Exception) -> None:
    """Says what it is refused for."""
    if (call := _current.get()) is not None:
        call.error = error


def request_id_of(metadata: Metadata) -> str:
    """The caller's, where it is 1 to 128 letters, digits and .-_: that begin with a letter or digit; or a new one."""
    for key, value in metadata:
        if key == REQUEST_ID and isinstance(value, str) and _GOOD_ID.fullmatch(value):
            return value
    return uuid.uuid4().hex


def followed(work: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The work, to be done in another thread for the current call: `executor.submit(followed(work), …)`.

    Executors forget whose work it is; `asyncio.to_thread` does not. To be called once.
    """
    return partial(copy_context().run, work)
