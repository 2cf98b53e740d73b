"""Work that goes on to its end, also where whoever asked for it waits no more."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Unbroken:
    """Of one event loop. `rest` before what the work needs is taken away."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()  # the loop itself would let go of a task that nobody holds

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What it returns or raises. A cancelled caller gets its CancelledError at once, and the work goes on."""
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def rest(self) -> None:
        """Until all of it has ended."""
        while self._running:
            await asyncio.wait(self._running)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # or asyncio would tell that nobody asked for it
