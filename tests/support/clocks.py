"""Clocks under the control of a test, and an event loop in virtual time."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)  # when tests make their bundles


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class MovedClock:
    """A clock of dates that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


class _Leaping(selectors.SelectSelector):
    """A selector that does not wait: time jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("all tasks wait, and no timer: a deadlock")
        self.now += max(timeout, 0.0)
        return super().select(0)


class _LeapingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.now


def run_leaping(main: Coroutine[Any, Any, T]) -> T:
    """Run like asyncio.run, on a loop in virtual time that starts at zero: sleeping takes no real time."""
    with asyncio.Runner(loop_factory=_LeapingLoop) as runner:
        return runner.run(main)
