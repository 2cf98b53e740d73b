"""Periodic malloc_trim: returns freed memory to the operating system.

glibc keeps freed memory between blocks in use, arena by arena, and returns it only on request: without it, a service
under load grows by some hundred MiB over hours, which looks like a leak.
"""

import asyncio
import ctypes
from collections.abc import Callable
from typing import NoReturn

EVERY_S = 20.0


async def trim_periodically(every_s: float = EVERY_S) -> NoReturn:
    """Trim until cancelled; does nothing where the C library has no malloc_trim."""
    trim = _trim()
    while True:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(trim)  # some milliseconds, in which other threads continue


def _trim() -> Callable[[], object]:
    try:
        malloc_trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # musl, macOS
        return lambda: None
    return lambda: malloc_trim(0)
