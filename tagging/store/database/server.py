"""Transactions on a server of PostgreSQL, on the event loop."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, event
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

T = TypeVar("T")


class ServerEngine:
    def __init__(self, url: URL, options: Mapping[str, Any]) -> None:
        """options: of create_engine"""
        self._engine = create_async_engine(
            url,
            # Others' transactions are seen as soon as they are committed, whatever a server's default is: a statement
            # that waited for a lock must see what it waited for.
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,  # a connection that the server closed meanwhile is replaced before it is used
            **options,
        )
        event.listen(self._engine.sync_engine, "close", _hang_up)
        # One statement needs no transaction, whose beginning and end would be two more ways to the server.
        self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def read(self, work: Callable[[Connection], T]) -> T:
        async with self._reader.connect() as connection:
            return await connection.run_sync(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        """When nothing runs any more."""
        await self._engine.dispose()


def _hang_up(connection: Any, _: ConnectionPoolEntry) -> None:
    # The driver's own way says so to the server and waits until that has heard it.
    connection.driver_connection.terminate()
