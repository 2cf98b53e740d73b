"""SQLite transactions, each in one thread from its first statement to its last.

An asynchronous driver changes threads at every step of every statement, which takes longer than the statements.

Each transaction begins by looking whether the file is still the one that was opened. SQLite does not: it would continue
in a file that was removed, and lose what it writes.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.exc import TimeoutError as NoConnectionLeftError
from sqlalchemy.pool import ConnectionPoolEntry

from tagging.concurrency import started_threads
from tagging.errors import BackendUnavailableError

T = TypeVar("T")

BETWEEN_S = 0.01  # retry interval where SQLite does not wait


class FileEngine:
    def __init__(self, url: URL, options: Mapping[str, Any]) -> None:
        """options: of create_engine"""
        assert url.database is not None
        self._path = Path(url.database)
        self._opened: tuple[int, int] | None = None  # device and inode; None before the first transaction
        # Last in, first out: each connection caches pages, and the cache of one that wrote last is the only valid one.
        self._engine = create_engine(url, pool_use_lifo=True, **options)
        event.listen(self._engine, "connect", self._set_up)
        self._wait_s: float = options["pool_timeout"]
        self._threads = started_threads(options["pool_size"], "database")
        self._free = asyncio.Semaphore(options["pool_size"])
        # SQLite has one writer, and the others poll, so that one of them may starve. Here
        # the writers of this process take turns.
        self._writing = asyncio.Semaphore(1)

    async def read(self, work: Callable[[Connection], T]) -> T:
        def run() -> T:
            self._require_same_file()
            with self._engine.connect() as connection:
                return work(connection)

        return await self._in_thread(run)

    async def write(self, work: Callable[[Connection], T]) -> T:
        def run() -> T:
            self._require_same_file()
            with self._engine.begin() as connection:
                # At once, as a transaction that began as a reader fails without waiting if another has written
                # meanwhile. By the driver: SQLAlchemy's execution of a statement takes several times as long.
                connection.connection.cursor().execute("BEGIN IMMEDIATE")
                return work(connection)

        await self._get(self._writing)
        try:
            return await self._in_thread(run)
        finally:
            self._writing.release()

    async def close(self) -> None:
        self._engine.dispose()
        self._threads.shutdown()  # abandoned statements end as well, at the latest when their lock wait is over

    def _set_up(self, connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        _keep_a_wal(cursor)
        for pragma in (
            "synchronous = FULL",  # sync each commit: with NORMAL, a default of some builds, a power cut loses the last
            "foreign_keys = ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        if self._opened is None:
            self._opened = _identity_of(self._path)

    def _require_same_file(self) -> None:
        if self._opened is not None and _identity_of(self._path) != self._opened:
            raise BackendUnavailableError(
                f"the database {self._path} was removed or replaced after it was opened",
                "move the file back; or stop all services, restore the file from a backup, and start them",
            )

    async def _in_thread(self, run: Callable[[], T]) -> T:
        await self._get(self._free)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, run)
        finally:
            self._free.release()

    async def _get(self, turn: asyncio.Semaphore) -> None:
        if not turn.locked():  # no other transaction waits either, so no timer is needed
            await turn.acquire()
            return
        try:
            async with asyncio.timeout(self._wait_s):
                await turn.acquire()
        except TimeoutError:
            raise NoConnectionLeftError(f"none in {self._wait_s:g} s") from None


def _identity_of(path: Path) -> tuple[int, int] | None:
    """Return device and inode of a file; None if it cannot be found."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _keep_a_wal(cursor: sqlite3.Cursor) -> None:
    """Switch to a write-ahead log, with which readers continue during a write.

    The switch reads and then writes: if another process writes at that moment, SQLite fails at once instead of waiting,
    as it does in all other cases.
    """
    ((wait_ms,),) = cursor.execute("PRAGMA busy_timeout")
    until = time.monotonic() + wait_ms / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(BETWEEN_S)
