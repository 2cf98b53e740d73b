"""How many clients are connected: gRPC does not tell, and sends all that come above its limit away without a word.

Linux does: https://docs.kernel.org/networking/proc_net_tcp.html
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

TABLES = ("tcp", "tcp6")
ESTABLISHED = "01"


def connections(port: int, process: Path = Path("/proc/self")) -> int | None:
    """Of this process, with clients that came to its port; None where the system does not tell."""
    if not (process / "net").is_dir():
        return None
    held = set(_sockets(process / "fd"))
    return sum(inode in held for table in TABLES for inode in _connected(process / "net" / table, port))


def _sockets(descriptors: Path) -> Iterator[str]:
    """Their inodes."""
    for name in os.listdir(descriptors):  # noqa: PTH208 - names alone
        with suppress(OSError):  # closed meanwhile
            target = os.readlink(descriptors / name)  # noqa: PTH115 - which is no path
            if target.startswith("socket:["):
                yield target[len("socket:[") : -1]


def _connected(table: Path, port: int) -> Iterator[str]:
    """Inodes. A line: number, own address, the other's, state, queues, timer, retransmits, user, timeout, inode, …"""
    with suppress(FileNotFoundError):  # without IPv6
        for line in table.read_text().splitlines()[1:]:
            _, own, _, state, *rest = line.split()
            if state == ESTABLISHED and int(own.rpartition(":")[2], 16) == port:
                yield rest[5]
