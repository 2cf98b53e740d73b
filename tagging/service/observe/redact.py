"""Redaction of log texts: removes passwords and queries of URLs, tokens, and data that exceptions quote.

An unexpected exception quotes the data that caused it: a title, a path, a row. So quoted parts of its text are removed;
its type, the frames with their lines of code, and the words around the quotes stay.
"""

import re
import traceback
from collections.abc import Iterator

HIDDEN = "…"
LONGEST = 8_000  # characters of one text
LONGEST_TRACE = 32_000
FRAMES = 40  # of one exception, the innermost

# Each pattern consumes what it has scanned, up to a match or the end, so that every text takes linear time.
_ADDRESS = re.compile(r"(?<=://)[^\s\"'<>]+")
_BEARER = re.compile(r"\b(bearer|basic)[ \t]+[^\s,;\"']+", re.IGNORECASE)
_SECRET = re.compile(
    r"\b((?:authorization|password|passwd|secret|api[_-]?key|(?:access[_-])?token)[\"']?[ \t]*[=:][ \t]*)"
    r"(?!(?:bearer|basic)\b)(?:\"[^\"]*\"?|'[^']*'?|[^\s\"',;&)]+)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"(?<![A-Za-z0-9_])([A-Za-z]{0,2})([\"'])(?:\\.|(?!\2)[^\\])*(?:\2|\\?\Z)", re.DOTALL)


def redact(text: str) -> str:
    """Return a text without secrets, cut to LONGEST characters."""
    text = text[: 8 * LONGEST]
    if "://" in text:
        text = _ADDRESS.sub(lambda match: _address(match[0]), text)
    text = _SECRET.sub(rf"\1{HIDDEN}", _BEARER.sub(rf"\1 {HIDDEN}", text))
    return _cut(text, LONGEST)


def format_traceback(error: BaseException) -> str:
    """Return the traceback of an exception and its causes, first cause first, without the data that they quote."""
    return _cut("\n".join(_lines(error, set())), LONGEST_TRACE)


def _address(address: str) -> str:
    """Return the part of a URL after :// without user and query. The path may contain further URLs."""
    location, *rest = re.split(r"[?#]", address, maxsplit=1)
    parts = (part if "@" not in part else f"{HIDDEN}@{part.rpartition('@')[2]}" for part in location.split("/"))
    return "/".join(parts) + (f"?{HIDDEN}" if rest else "")


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    cause = error.__cause__ if error.__cause__ is not None or error.__suppress_context__ else error.__context__
    if cause is not None and id(cause) not in seen:
        yield from _lines(cause, seen)
        yield "which led to"
    yield from "".join(traceback.format_tb(error.__traceback__, -FRAMES)).splitlines()
    yield f"{type(error).__module__}.{type(error).__qualname__}: {_message(error)}"
    for member in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        if id(member) not in seen:
            yield "in which"
            yield from _lines(member, seen)


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # a broken __str__ must not keep the error out of the log
        return "an exception that cannot be written"
    # Quotes first: redact may cut the text, and an unpaired quote would reveal what the pair hides.
    return redact(_QUOTED.sub(lambda match: match[1] + match[2] + HIDDEN + match[2], text[: 8 * LONGEST]))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest] + HIDDEN
