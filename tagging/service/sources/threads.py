"""Work on files off the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")

# Not asyncio's own threads: those resolve names, and wait for as long as somebody's name server likes.
FILES = ThreadPoolExecutor(8, thread_name_prefix="files")


async def run_in_thread(work: Callable[[], Result]) -> Result:
    """What `work` returns or raises. No thread can be cancelled: a cancelled task goes on when the work has ended.

    So a file that is closed after this is a file that nobody works on any more. `work` has to be short.
    """
    task = asyncio.get_running_loop().run_in_executor(FILES, work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # or asyncio would tell that nobody asked for it
        raise
