"""Waiting for a condition with an upper bound, so that a bug fails a test instead of hanging the suite."""

import asyncio
import time
from collections.abc import Callable

TIMEOUT_S = 120.0  # generous: a busy machine may be ten times slower than an idle one
INTERVAL_S = 0.02


def wait_until(condition: Callable[[], object], timeout_s: float = TIMEOUT_S, interval_s: float = INTERVAL_S) -> None:
    """Return as soon as `condition()` is true; raise AssertionError after `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not true after {timeout_s:g} s: {_name_of(condition)}")
        time.sleep(interval_s)


async def wait_until_async(
    condition: Callable[[], object], timeout_s: float = TIMEOUT_S, interval_s: float = INTERVAL_S
) -> None:
    """Wait like `wait_until`, without blocking the event loop."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not true after {timeout_s:g} s: {_name_of(condition)}")
        await asyncio.sleep(interval_s)


async def settled_value(read: Callable[[], int], quiet_s: float = 1.0) -> int:
    """Return the value of `read()` once it has not changed for `quiet_s` seconds of a running event loop."""
    value, deadline = read(), time.monotonic() + TIMEOUT_S
    while True:
        await asyncio.sleep(quiet_s)
        previous, value = value, read()
        if value == previous:
            return value
        assert time.monotonic() < deadline, f"still changing after {TIMEOUT_S:g} s"


def _name_of(condition: Callable[[], object]) -> str:
    return getattr(condition, "__qualname__", repr(condition))
