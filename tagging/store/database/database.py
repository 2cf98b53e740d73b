"""Database connection: transactions with a time limit, and translated driver errors."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection

from tagging import concurrency
from tagging.concurrency import BackgroundTasks
from tagging.errors import BackendUnavailableError, DeadlineExceededError
from tagging.store.database.address import address_of
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.failures import RETRY_HINT, translate_errors
from tagging.store.database.file import FileEngine
from tagging.store.database.server import ServerEngine

T = TypeVar("T")

WAIT_SHARE = 0.9  # of the caller's remaining time; the rest is for the response
SLOW_S = 1.0  # slower than this, the database hangs; callers with a shorter deadline get DEADLINE_EXCEEDED instead


class Engine(Protocol):
    async def read(self, work: Callable[[Connection], T]) -> T: ...

    async def write(self, work: Callable[[Connection], T]) -> T: ...

    async def close(self) -> None: ...


class Database:
    """A SQLite or PostgreSQL database; belongs to one event loop. Connections are opened by the transactions.

    A transaction is a function of a connection, whose result is returned. It is rolled back if it raises an error:

    BackendUnavailableError  the database is unreachable, busy or slow; a retry may succeed, and connections recover
    OutputUnwritableError    the disk is full, or the user lacks permission
    ArtifactCorruptError     the file is damaged

    A transaction also runs to its end after its caller was cancelled, as interrupting a driver leaves an unusable
    connection. A caller that waits for too long gets BackendUnavailableError, or DeadlineExceededError if its own
    deadline was short; the transaction may be committed nevertheless.
    """

    def __init__(self, config: DatabaseConfig) -> None:
        """Raises InvalidConfigError for a URL that cannot be used."""
        address = address_of(config)
        self.display_name = address.display_name
        self.file = address.file
        options: dict[str, Any] = {
            "connect_args": dict(address.arguments),
            "pool_size": config.connections,
            "max_overflow": 0,
            "pool_timeout": config.wait_timeout_s,
            "hide_parameters": True,  # user text must not reach the logs through errors
            "json_serializer": partial(json.dumps, allow_nan=False),
        }
        self.background = BackgroundTasks()
        self._answer_timeout_s = config.answer_timeout_s
        self._engine: Engine = FileEngine(address.url, options) if self.file else ServerEngine(address.url, options)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run a transaction that only reads; each statement sees the commits before it."""
        return await self._in_time(self._engine.read(work))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run a writing transaction; when this returns, the writes are on disk."""
        return await self._in_time(self._engine.write(work))

    async def close(self) -> None:
        """Wait for running transactions, if the database hangs no longer than a caller would, and close the
        connections.
        """
        await self.background.wait_all(self._answer_timeout_s)
        await self._engine.close()

    async def _in_time(self, transaction: Coroutine[Any, Any, T]) -> T:
        patience_s = self._patience_s()
        running = self.background.start(self._translated(transaction))
        await asyncio.wait((running,), timeout=patience_s)  # does not cancel it, as the caller's cancellation does not
        if running.done():
            return running.result()
        if patience_s < min(SLOW_S, self._answer_timeout_s):
            raise DeadlineExceededError("the deadline passed during a database query", "give more time")
        raise BackendUnavailableError(f"the database {self.display_name} did not answer in time", RETRY_HINT)

    async def _translated(self, transaction: Coroutine[Any, Any, T]) -> T:
        with translate_errors(self.display_name):
            return await transaction

    def _patience_s(self) -> float:
        """Return the longest wait of the current caller, so that a hanging database blocks no caller beyond its
        deadline.
        """
        time_left_s = concurrency.time_left_s()
        return self._answer_timeout_s if time_left_s is None else min(self._answer_timeout_s, WAIT_SHARE * time_left_s)
