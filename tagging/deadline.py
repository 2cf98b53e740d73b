"""How long whoever is answered still waits: what hangs is given up in time to say so."""

import time
from contextvars import ContextVar

_end_s: ContextVar[float | None] = ContextVar("deadline", default=None)  # of time.monotonic


def begin(left_s: float | None) -> None:
    """From here on, in this task and those that it starts, somebody waits for so long; None: as long as it takes."""
    _end_s.set(None if left_s is None else time.monotonic() + left_s)


def left_s() -> float | None:
    end_s = _end_s.get()
    return None if end_s is None else max(0.0, end_s - time.monotonic())
