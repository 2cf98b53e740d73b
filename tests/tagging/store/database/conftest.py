"""One suite for both databases."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tagging.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.migrate import migrate
from tests.postgres import PostgresServer
from tests.tagging.store.database.records import database_at


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DatabaseConfig]:
    """A database without tables."""
    if request.param == "sqlite":
        yield database_at(f"sqlite:///{tmp_path}/videotag.db")
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    with server.new_database() as url:
        yield database_at(url)


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
