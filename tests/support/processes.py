"""Liveness of processes that are not children of the test."""

from pathlib import Path


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # a zombie: ended, but not yet waited for by its parent
