"""Thread pool for file operations, off the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import TypeVar

from tagging.concurrency import started_threads

Result = TypeVar("Result")


async def run_in_thread(work: Callable[[], Result]) -> Result:
    """Return or raise what `work` does. A thread cannot be cancelled: a cancelled task resumes when the work has ended.

    So a file that is closed afterwards is no longer in use. `work` has to be short.
    """
    task = asyncio.get_running_loop().run_in_executor(_files(), work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # marks it as retrieved, so that asyncio does not log it
        raise


@cache
def _files() -> ThreadPoolExecutor:
    """Threads of their own: asyncio's default ones resolve names, and may all be waiting for a slow name server."""
    return started_threads(8, "files")
