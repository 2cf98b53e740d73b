"""Fixtures that run a suite on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.migrate import migrate


@pytest.fixture
async def config(empty: DatabaseConfig) -> DatabaseConfig:
    """A database with tables."""
    await migrate(empty)
    return empty


@pytest.fixture
async def database(config: DatabaseConfig) -> AsyncIterator[Database]:
    database = Database(config)
    yield database
    await database.close()
