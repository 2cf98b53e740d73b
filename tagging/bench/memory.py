"""Memory of processes: of this one, and the peak of another with all that it started."""

import threading
from types import TracebackType
from typing import Self

import psutil

EVERY_S = 0.5
MIB = 2**20


def now_mib() -> float:
    """Return the resident memory of this process in MiB."""
    return float(psutil.Process().memory_info().rss) / MIB


def memory_of(pid: int) -> int:
    """Return the bytes that a process and those that it started hold.

    It is the sum of what each would free by ending (unique set size), and the shared memory of the largest.
    """
    unique, shared = 0, 0
    try:
        first = psutil.Process(pid)
        processes = [first, *first.children(recursive=True)]
    except psutil.Error:  # it has ended
        return 0
    for process in processes:
        try:
            about = process.memory_full_info()
        except psutil.Error:  # it ended meanwhile
            continue
        unique += about.uss
        shared = max(shared, about.rss - about.uss)
    return unique + shared


class PeakMemory:
    """`with PeakMemory(pid) as memory: …; memory.peak_mib`, read twice a second and when the block begins and ends."""

    def __init__(self, pid: int) -> None:
        self.peak_mib = 0.0
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._read()

    def _watch(self) -> None:
        self._read()
        while not self._ended.wait(EVERY_S):
            self._read()

    def _read(self) -> None:
        self.peak_mib = max(self.peak_mib, memory_of(self._pid) / MIB)
