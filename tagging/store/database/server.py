"""PostgreSQL transactions, on the event loop."""

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
            # Read committed, whatever the default of the server is: a statement
            # that waited for a lock must see the changes of its holder.
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,  # replaces a connection that the server has closed, before it is used
            **options,
        )
        event.listen(self._engine.sync_engine, "close", _hang_up)
        # One statement needs no transaction, whose begin and commit would be two more round trips.
        self._reader = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def read(self, work: Callable[[Connection], T]) -> T:
        async with self._reader.connect() as connection:
            return await connection.run_sync(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        """Close the connections. No transaction may be running."""
        await self._engine.dispose()


def _hang_up(connection: Any, _: ConnectionPoolEntry) -> None:
    # The driver's regular close notifies the server and waits for its acknowledgement.
    connection.driver_connection.terminate()
