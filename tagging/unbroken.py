"""Work that goes on to its end, also where whoever asked for it waits no more."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

from tagging import deadline

T = TypeVar("T")


class Unbroken:
    """Of one event loop. `rest` before what the work needs is taken away."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()  # the loop itself would let go of a task that nobody holds

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What it returns or raises. A cancelled caller gets its CancelledError at once, and the work goes on."""
        return await asyncio.shield(self.start(work))

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Not to be cancelled: who waits for it shields it."""
        context = copy_context()
        context.run(deadline.begin, None)  # the work's own end is nobody's
        task = asyncio.create_task(work, context=context)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def rest(self, within_s: float | None = None) -> None:
        """Until all of it has ended; what has not within that time is cancelled."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._running:
                    await asyncio.wait(self._running)
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # or asyncio would tell that nobody asked for it
