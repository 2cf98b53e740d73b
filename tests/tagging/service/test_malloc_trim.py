"""malloc_trim: freed memory is returned to the operating system."""

import asyncio
import ctypes
from pathlib import Path

import pytest

from tagging.service.malloc_trim import trim_periodically

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc"),
]


def resident_mib() -> float:
    [line] = [row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("RssAnon")]
    return int(line.split()[1]) / 1024


async def test_free_memory_between_used_blocks_is_returned_to_the_system() -> None:
    blocks = [bytearray(64_000) for _ in range(3200)]  # 195 MiB, each too small to be returned by itself
    last = bytearray(64_000)  # above them, so that the heap does not shrink
    held = resident_mib()
    del blocks
    kept = resident_mib()
    task = asyncio.create_task(trim_periodically(every_s=0.01))
    for _ in range(500):
        if resident_mib() < held - 150:
            break
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert resident_mib() < min(held - 150, kept - 100)
    assert len(last) == 64_000
