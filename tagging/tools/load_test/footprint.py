"""Resource footprint of a process tree: memory, file descriptors, threads and processes, read with psutil."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psutil


@dataclass(frozen=True, slots=True)
class Footprint:
    """Resources that a process and all its descendants hold together."""

    resident_mib: float  # pages that processes share are counted in each
    descriptors: int
    threads: int
    processes: int

    def row(self, title: str) -> dict[str, Any]:
        """Return the footprint as a row of a table."""
        return {
            "": title,
            "MiB": round(self.resident_mib),
            "descriptors": self.descriptors,
            "threads": self.threads,
            "processes": self.processes,
        }


def process_tree(pid: int) -> list[psutil.Process]:
    """Return the process and its descendants; empty if it has ended."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def footprint_of(processes: Iterable[psutil.Process]) -> Footprint:
    """Sum what the processes hold; a process that ends meanwhile is left out."""
    resident = descriptors = threads = count = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied), process.oneshot():
            held = (process.memory_info().rss, process.num_fds(), process.num_threads())
            resident, descriptors, threads, count = (
                resident + held[0],
                descriptors + held[1],
                threads + held[2],
                count + 1,
            )
    return Footprint(resident / 2**20, descriptors, threads, count)
