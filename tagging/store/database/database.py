"""An open database: transactions, and known errors in place of the driver's."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from tagging.config import DatabaseConfig
from tagging.store.database.address import address_of
from tagging.store.database.failures import telling
from tagging.store.database.file import FileEngine
from tagging.store.database.server import ServerEngine
from tagging.unbroken import Unbroken

T = TypeVar("T")


class Engine(Protocol):
    async def read(self, work: Callable[[Connection], T]) -> T: ...

    async def write(self, work: Callable[[Connection], T]) -> T: ...

    async def close(self) -> None: ...


class Database:
    """SQLite or PostgreSQL; of one event loop. Connecting waits for the first transaction, and is tried anew by each.

    A transaction is a function of a connection, which returns what it made of it. It raises BackendUnavailableError
    where the database is away, busy or slow: trying again helps, and the connections mend themselves.
    OutputUnwritableError where it takes nothing: no room, no right. ArtifactCorruptError for a damaged file. What was
    written in a transaction that ends in an error is undone whole.

    A transaction ends also where nobody waits for it any more: a driver that is interrupted leaves a connection that
    nobody can use.
    """

    def __init__(self, config: DatabaseConfig) -> None:
        """Raises InvalidConfigError for a URL that cannot be used."""
        address = address_of(config)
        self.shown = address.shown
        self.file = address.file
        options: dict[str, Any] = {
            "connect_args": dict(address.arguments),
            "pool_size": config.connections,
            "max_overflow": 0,
            "pool_timeout": config.wait_timeout_s,
            "hide_parameters": True,  # errors go to logs, and what people wrote does not
            "json_serializer": partial(json.dumps, allow_nan=False),
        }
        self.unbroken = Unbroken()
        self._engine: Engine = FileEngine(address.url, options) if self.file else ServerEngine(address.url, options)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """By statements that write nothing; each sees what is committed when it begins."""
        with telling(self.shown):
            return await self.unbroken.run(self._engine.read(work))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """In one transaction; when it is there, what was written is on the disk."""
        with telling(self.shown):
            return await self.unbroken.run(self._engine.write(work))

    async def close(self) -> None:
        await self.unbroken.rest()
        await self._engine.close()
