"""Freed memory goes back to the system.

glibc keeps what is freed between blocks that are in use, arena by arena, and gives it back when it is asked: without,
a service under load takes some hundred MiB more with the hours, as if it lost them.
"""

import asyncio
import ctypes
from collections.abc import Callable
from typing import NoReturn

EVERY_S = 20.0


async def trim_periodically(every_s: float = EVERY_S) -> NoReturn:
    """Again and again, until it is cancelled; nothing where the system's library does it otherwise."""
    trim = _trim()
    while True:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(trim)  # some milliseconds, in which other threads go on


def _trim() -> Callable[[], object]:
    try:
        malloc_trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # musl, macOS
        return lambda: None
    return lambda: malloc_trim(0)
