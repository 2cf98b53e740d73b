"""An open database: connections, transactions, and known errors in place of the driver's."""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from tagging.config import DatabaseConfig
from tagging.store.database.address import address_of
from tagging.store.database.failures import telling
from tagging.unbroken import Unbroken

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """SQLite or PostgreSQL; of one event loop. Connecting waits for the first transaction, and is tried anew by each.

    A transaction raises BackendUnavailableError where the database is away, busy or slow: trying again helps, and the
    connections mend themselves. OutputUnwritableError where it takes nothing: no room, no right. ArtifactCorruptError
    for a damaged file. What was written in a transaction that ends in an error is undone whole.

    No transaction is to be cancelled: methods that have one are `whole`.
    """

    def __init__(self, config: DatabaseConfig) -> None:
        """Raises InvalidConfigError for a URL that cannot be used."""
        self.unbroken = Unbroken()
        address = address_of(config)
        self.shown = address.shown
        self.file = address.file
        # Others' transactions are seen as soon as they are committed, whatever a server's default is: a statement
        # that waited for a lock must see what it waited for.
        isolation = {} if self.file else {"isolation_level": "READ COMMITTED"}
        self._engine = create_async_engine(
            address.url,
            connect_args=dict(address.arguments),
            pool_size=config.connections,
            max_overflow=0,
            pool_timeout=config.wait_timeout_s,
            pool_pre_ping=not self.file,  # a connection that the server closed meanwhile is replaced before it is used
            hide_parameters=True,  # errors go to logs, and what people wrote does not
            json_serializer=partial(json.dumps, allow_nan=False),
            **isolation,
        )
        if self.file:
            event.listen(self._engine.sync_engine, "do_connect", partial(_try_file, self.file))
            event.listen(self._engine.sync_engine, "connect", _set_up_file)
            event.listen(self._engine.sync_engine, "begin", _begin_file)
        self._writer = self._engine.execution_options(writes=True)
        # One statement needs no transaction, whose beginning and end would be two more ways to the server.
        self._reader = self._engine if self.file else self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A connection for statements that write nothing; each sees what is committed when it begins."""
        with telling(self.shown):
            async with self._reader.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """A transaction; when the block has ended without an error, what it wrote is on the disk."""
        with telling(self.shown):
            async with self._writer.begin() as connection:
                yield connection

    async def close(self) -> None:
        await self.unbroken.rest()
        await self._engine.dispose()


class _OnDatabase(Protocol):
    _database: Database


Store = TypeVar("Store", bound=_OnDatabase)


def whole(
    method: Callable[Concatenate[Store, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Store, P], Coroutine[Any, Any, T]]:
    """A method that ends, also where nobody waits for it any more.

    A driver that is interrupted leaves a connection that nobody can use, and on a file a thread and descriptors, too.
    """

    @wraps(method)
    async def run(store: Store, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await store._database.unbroken.run(method(store, *args, **kwargs))

    return run


def _try_file(path: Path, *_: object) -> None:
    # The driver's thread for a file that cannot be opened would outlive the event loop, and complain of that.
    sqlite3.connect(path).close()


def _set_up_file(connection: Any, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode = WAL",  # readers go on while one writes
        "synchronous = FULL",  # each commit is synced; some builds have NORMAL, whose last ones a power cut loses
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_file(connection: Connection) -> None:
    # A writer that began as a reader fails at once, without waiting, where another has written meanwhile.
    if connection.get_execution_options().get("writes", False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
