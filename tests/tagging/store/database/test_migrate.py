import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from tagging.errors import DatabaseMismatchError, OutputUnwritableError
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.engagements import EngagementEvent, Engagements
from tagging.store.database.log import Log
from tagging.store.database.migrate import VERSION_TABLE, migrate, require_current, revert
from tagging.store.database.schema import metadata
from tagging.store.database.tag_edits import TagEdits
from tagging.store.database.topic_queues import CountedVideo, QueueQuery, TopicQueues
from tagging.store.database.topic_videos import TopicVideos
from tagging.store.topic_video import AssignedVideo, QueueRules
from tests.support.database_records import LOGS, NOON, database_at, edit, url_of

pytestmark = pytest.mark.anyio
T = TypeVar("T")


async def transact(config: DatabaseConfig, work: Callable[[Connection], T]) -> T:
    database = Database(config)
    try:
        return await database.write(work)
    finally:
        await database.close()


def tables(connection: Connection) -> dict[str, Any]:
    """Return the schema of all tables as the database reports it."""
    inspector = inspect(connection)
    found = {}
    for table in set(inspector.get_table_names()) - {VERSION_TABLE}:
        columns = [{**column, "type": repr(column["type"])} for column in inspector.get_columns(table)]
        keys = (inspector.get_pk_constraint, inspector.get_unique_constraints, inspector.get_foreign_keys)
        indexes = sorted(inspector.get_indexes(table), key=str)
        found[table] = (columns, *(key(table) for key in keys), indexes, inspector.get_check_constraints(table))
    return found


async def test_the_migrated_schema_equals_that_of_the_models(empty: DatabaseConfig) -> None:
    await migrate(empty)
    differences = await transact(
        empty,
        lambda c: compare_metadata(MigrationContext.configure(c, opts={"version_table": VERSION_TABLE}), metadata),
    )
    assert differences == []


async def test_migrations_and_models_create_the_same_tables(empty: DatabaseConfig) -> None:
    await transact(empty, metadata.create_all)
    wanted = await transact(empty, tables)
    await transact(empty, metadata.drop_all)
    await migrate(empty)
    assert await transact(empty, tables) == wanted
    assert wanted.keys() == metadata.tables.keys()


async def test_every_log_starts_at_zero(database: Database) -> None:
    assert [await log(database).last() for log, _ in LOGS] == [0] * len(Log.__subclasses__())


async def test_migrating_twice_changes_nothing(config: DatabaseConfig, database: Database) -> None:
    log, make = LOGS[0]
    await log(database).append(make("r1"))
    await migrate(config)
    assert await log(database).last() == 1


async def test_a_database_can_be_downgraded_and_upgraded_again(config: DatabaseConfig) -> None:
    await revert(config, "base")
    assert await transact(config, tables) == {}
    await migrate(config)
    assert (await transact(config, tables)).keys() == metadata.tables.keys()


async def test_a_migration_that_fails_leaves_nothing(empty: DatabaseConfig) -> None:
    await transact(empty, lambda c: c.execute(text("CREATE TABLE labelled_videos (mine int)")))  # made last
    with pytest.raises(Exception, match="already exists"):
        await migrate(empty)
    assert (await transact(empty, tables)).keys() == {"labelled_videos"}
    await transact(empty, lambda c: c.execute(text("DROP TABLE labelled_videos")))
    await migrate(empty)


async def test_a_database_of_a_newer_version_is_refused(config: DatabaseConfig, database: Database) -> None:
    await transact(config, lambda c: c.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'")))
    for refused in (require_current(database), migrate(config), revert(config, "base")):
        with pytest.raises(DatabaseMismatchError, match="revision 9999") as caught:
            await refused
        assert "newer version" in caught.value.hint
    assert (await transact(config, tables)).keys() == metadata.tables.keys()


async def test_a_database_of_an_older_version_is_refused_until_it_is_migrated(empty: DatabaseConfig) -> None:
    database = Database(empty)
    with pytest.raises(DatabaseMismatchError, match="no "):
        await require_current(database)
    await migrate(empty)
    await require_current(database)
    await revert(empty, "base")
    with pytest.raises(DatabaseMismatchError, match="no tables"):
        await require_current(database)
    await database.close()


@pytest.mark.parametrize("empty", ["sqlite"], indirect=True)
async def test_a_backup_taken_during_writes_is_consistent(
    empty: DatabaseConfig, database: Database, tmp_path: Path
) -> None:
    edits = TagEdits(database)
    for n in range(20):
        await edits.append(edit(f"r{n}"))
    with (
        closing(sqlite3.connect(tmp_path / "videotag.db")) as live,
        closing(sqlite3.connect(tmp_path / "copy")) as copy,
    ):
        live.backup(copy)
    restored = Database(database_at(f"sqlite:///{tmp_path}/copy"))
    await require_current(restored)
    assert (await TagEdits(restored).append(edit("after"))).number == 21
    await restored.close()


async def test_checking_the_version_creates_no_file(tmp_path: Path) -> None:
    database = Database(database_at(f"sqlite:///{tmp_path}/new/videotag.db"))
    with pytest.raises(DatabaseMismatchError, match="there is no database"):
        await require_current(database)
    await database.close()
    assert list(tmp_path.iterdir()) == []


async def test_a_missing_folder_is_created_where_permitted(tmp_path: Path) -> None:
    await migrate(database_at(f"sqlite:///{tmp_path}/new/100%/videotag.db"))
    (tmp_path / "file").touch()
    with pytest.raises(OutputUnwritableError):
        await migrate(database_at(f"sqlite:///{tmp_path}/file/videotag.db"))


@pytest.mark.slow
async def test_several_processes_migrate_at_once(empty: DatabaseConfig) -> None:
    script = (
        "import asyncio, sys\n"
        "from tagging.store.database.migrate import migrate\n"
        "from tests.support.database_records import database_at\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "asyncio.run(migrate(database_at(sys.argv[1])))\n"
    )
    command = [sys.executable, "-W", "error", "-c", script, url_of(empty)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        process.stdout.readline()
    outcomes = [
        (stderr, process.returncode)
        for process, (_, stderr) in zip(
            processes, await asyncio.gather(*(asyncio.to_thread(p.communicate, "go\n") for p in processes)), strict=True
        )
    ]
    assert outcomes == [("", 0)] * 2
    database = Database(empty)
    await require_current(database)
    assert (await LOGS[0][0](database).append(edit("r1"))).number == 1
    await database.close()


async def test_queues_of_an_older_version_are_ordered_by_the_counts_that_it_stored(config: DatabaseConfig) -> None:
    rules = QueueRules(NOON, 86_400.0, least_exposures=5, least_click_rate=0.1, fresh_since=NOON)
    videos = [AssignedVideo(f"v{n}", ((1, 0.5), (2, 0.4))) for n in range(1100)]  # more than are converted at once
    events = [EngagementEvent(f"e{n}", f"v{n % 7}", "", "click" if n % 3 else "exposure", NOON) for n in range(200)]

    async def queues() -> list[list[CountedVideo]]:
        database = Database(config)
        query = QueueQuery(2, 2000, 2000, multiplier=12_345, offset=678)
        found = await TopicQueues(database).first(
            [query], rules, lambda parts: [[*part] for part in (parts[0].proven, parts[0].fresh)]
        )
        await database.close()
        return found

    database = Database(config)
    await TopicVideos(database).put(videos, NOON)
    await Engagements(database, 86_400.0).report(events)
    await database.close()
    before = await queues()
    await revert(config, "0004")
    await migrate(config)
    assert await queues() == before
    assert [len(part) for part in before] == [7, 1093]
