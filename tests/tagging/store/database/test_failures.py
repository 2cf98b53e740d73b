import asyncio
import os
import signal
import socket
import sqlite3
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.pool import Pool

from tagging.errors import ArtifactCorruptError, BackendUnavailableError, OutputUnwritableError, VideotagError
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.labelled_videos import LabelledLog
from tagging.store.database.migrate import migrate, require_current
from tagging.store.database.tag_edits import TagEdits
from tagging.store.database.taggings import Taggings
from tests.support.database_records import await_within, database_at, edit, labelled, tagging, url_of
from tests.support.disks import tiny_disk
from tests.support.polling import wait_until_async
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.anyio
postgres_only = pytest.mark.parametrize("empty", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
sqlite_only = pytest.mark.parametrize("empty", ["sqlite"], indirect=True)


@asynccontextmanager
async def opened(config: DatabaseConfig, **changed: float) -> AsyncIterator[Database]:
    database = Database(config.model_copy(update=changed))
    yield database
    await database.close()


async def refused(database: Database, kind: type[VideotagError], text: str = "") -> VideotagError:
    """Expect a write to fail with an error that contains `text`; return the error."""
    with pytest.raises(kind) as caught:
        await TagEdits(database).append(edit("refused"))
    assert caught.value.hint
    assert database.display_name in caught.value.message
    assert text in caught.value.message
    return caught.value


async def write_while(database: Database, statement: str, others: Coroutine[Any, Any, object]) -> None:
    """Run a transaction that waits for `others` after its first statement."""
    loop = asyncio.get_running_loop()

    def work(connection: Connection) -> None:
        connection.execute(text(statement))
        await_within(database, loop, others)
        connection.execute(text("SELECT 1"))

    await database.write(work)


def file_of(config: DatabaseConfig) -> Path:
    return Path(url_of(config).removeprefix("sqlite:///"))


# Unreachable servers


async def test_a_refused_connection_is_reported_at_once() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # but does not listen
        port = taken.getsockname()[1]
        async with opened(database_at(f"postgresql://me:pw@127.0.0.1:{port}/tags")) as database:
            started_s = time.monotonic()
            await refused(database, BackendUnavailableError, "cannot be reached")
            assert time.monotonic() - started_s < DatabaseConfig().connect_timeout_s
            with pytest.raises(BackendUnavailableError):
                await Taggings(database).latest("v1")
            with pytest.raises(BackendUnavailableError):
                await require_current(database)


async def test_an_unresolvable_host_is_reported() -> None:
    async with opened(database_at("postgresql://me:pw@no.such.host.invalid/tags")) as database:
        error = await refused(database, BackendUnavailableError, "cannot be reached")
        assert "no.such.host.invalid" in error.message


async def test_an_unresponsive_server_is_given_up_after_the_timeout() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        url = f"postgresql://me:pw@127.0.0.1:{silent.getsockname()[1]}/tags"
        async with opened(database_at(url, connect_timeout_s=0.3)) as database:
            started_s = time.monotonic()
            await refused(database, BackendUnavailableError, "no answer in time")
            assert 0.3 <= time.monotonic() - started_s < DatabaseConfig().connect_timeout_s


async def test_a_server_of_another_protocol_is_reported() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as web:

        def answer() -> None:
            connection, _ = web.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        async with opened(database_at(f"postgresql://me:pw@127.0.0.1:{web.getsockname()[1]}/tags")) as database:
            error = await refused(database, BackendUnavailableError)
            assert "HTTP" not in error.message  # the answer of the other server is not quoted
        thread.join()


@pytest.mark.postgres
async def test_a_refused_login_is_reported_with_its_reason(postgres: PostgresServer) -> None:
    async with opened(database_at(postgres.url("postgres", password="wrong"))) as database:
        error = await refused(database, BackendUnavailableError, "password authentication failed")
        assert "password" in error.hint
    async with opened(database_at(postgres.url("nowhere"))) as database:
        error = await refused(database, BackendUnavailableError, "does not exist")
        assert "createdb" in error.hint


@pytest.mark.slow
@postgres_only
async def test_a_restarted_server_is_used_again(config: DatabaseConfig, postgres: PostgresServer) -> None:
    async with opened(config) as database:
        edits = TagEdits(database)
        await asyncio.gather(*(edits.append(edit(f"r{n}")) for n in range(10)))  # several connections are open
        with postgres.crashed():
            await refused(database, BackendUnavailableError)
            await refused(database, BackendUnavailableError, "cannot be reached")
        assert (await edits.append(edit("after"))).number == 11
        assert len(await edits.after(0)) == 11


@pytest.mark.slow
@postgres_only
async def test_a_restart_between_two_statements_is_not_noticed(
    config: DatabaseConfig, postgres: PostgresServer
) -> None:
    async with opened(config) as database:
        edits = TagEdits(database)
        await asyncio.gather(*(edits.append(edit(f"r{n}")) for n in range(10)))
        with postgres.crashed():
            pass
        assert (await edits.append(edit("after"))).number == 11


@pytest.mark.slow
@postgres_only
async def test_committed_records_survive_a_crash_of_the_server(
    config: DatabaseConfig, postgres: PostgresServer
) -> None:
    async with opened(config) as database:
        stored = await Taggings(database).put(tagging())
        sleeping = asyncio.create_task(sleep(database, 60))
        running = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
        await wait_until_async(lambda: postgres.sql(running))
        with postgres.crashed(), pytest.raises(BackendUnavailableError):
            await sleeping
        assert await Taggings(database).latest("v1") == stored


async def sleep(database: Database, seconds: float) -> None:
    await database.write(lambda connection: connection.execute(text("SELECT pg_sleep(:s)"), {"s": seconds}))


@postgres_only
async def test_a_connection_lost_before_the_commit_stores_nothing(
    config: DatabaseConfig, postgres: PostgresServer
) -> None:
    async with opened(config) as database:

        def work(connection: Connection) -> None:
            connection.execute(text("UPDATE log_ends SET last = 99"))
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            postgres.sql(f"SELECT pg_terminate_backend({pid})")
            connection.execute(text("SELECT 1"))

        with pytest.raises(BackendUnavailableError):
            await database.write(work)
        assert await TagEdits(database).last() == 0
        assert (await TagEdits(database).append(edit("r1"))).number == 1


# Slow or busy databases


@postgres_only
async def test_a_statement_over_the_time_limit_is_cancelled(config: DatabaseConfig) -> None:
    async with opened(config, statement_timeout_s=0.3) as database:
        with pytest.raises(BackendUnavailableError, match="statement timeout"):
            await sleep(database, 60)
        assert await TagEdits(database).last() == 0


@postgres_only
async def test_a_server_that_hangs_during_a_statement_is_given_up(config: DatabaseConfig) -> None:
    async with opened(config, statement_timeout_s=0.2) as database:
        pid = await database.read(
            lambda connection: int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())
        )
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(BackendUnavailableError):
                await TagEdits(database).last()
        finally:
            os.kill(pid, signal.SIGCONT)
        assert (await TagEdits(database).append(edit("r1"))).number == 1


async def test_a_writer_that_waits_too_long_for_a_lock_gets_an_error(config: DatabaseConfig) -> None:
    async with opened(config) as holder, opened(config, wait_timeout_s=0.3) as other:

        async def others() -> None:
            await refused(other, BackendUnavailableError, "lock")
            assert await TagEdits(other).after(0) == ()  # readers do not wait

        await write_while(holder, "UPDATE log_ends SET last = last", others())
        assert (await TagEdits(other).append(edit("r1"))).number == 1


@postgres_only
async def test_a_frozen_writer_does_not_block_others_for_ever(config: DatabaseConfig) -> None:
    async with opened(config, statement_timeout_s=0.5) as frozen, opened(config) as other:

        async def others() -> None:
            assert (await TagEdits(other).append(edit("r1"))).number == 1

        with pytest.raises(BackendUnavailableError):
            await write_while(frozen, "UPDATE log_ends SET last = 99", others())
        assert await TagEdits(frozen).last() == 1


async def test_an_exhausted_pool_is_an_error(config: DatabaseConfig) -> None:
    async with opened(config, connections=1, wait_timeout_s=0.2) as database:
        await write_while(
            database, "UPDATE log_ends SET last = last", refused(database, BackendUnavailableError, "no connection")
        )
        assert (await TagEdits(database).append(edit("r1"))).number == 1


@contextmanager
def locked_new_file(path: Path) -> Iterator[sqlite3.Connection]:
    """Create a database file and hold its write lock, as another process that creates it at the same time."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


async def test_concurrent_creators_of_a_file_wait_for_each_other(tmp_path: Path) -> None:
    with locked_new_file(tmp_path / "videotag.db") as other:
        migration = asyncio.create_task(migrate(database_at(f"sqlite:///{tmp_path}/videotag.db")))
        assert await asyncio.wait([migration], timeout=0.3) == (set(), {migration})
        other.execute("COMMIT")
        await migration
    async with opened(database_at(f"sqlite:///{tmp_path}/videotag.db")) as database:
        await require_current(database)
        assert (await TagEdits(database).append(edit("r1"))).number == 1


async def test_creating_a_file_locked_by_another_process_is_an_error(tmp_path: Path) -> None:
    with locked_new_file(tmp_path / "videotag.db"):
        async with opened(database_at(f"sqlite:///{tmp_path}/videotag.db", wait_timeout_s=0.2)) as database:
            await refused(database, BackendUnavailableError, "database is locked")
    with closing(sqlite3.connect(tmp_path / "videotag.db")) as plain:
        assert plain.execute("SELECT name FROM sqlite_master").fetchall() == []


async def test_cancelled_writers_leave_no_partial_records(config: DatabaseConfig) -> None:
    async with opened(config, connections=3) as database:
        edits, done = TagEdits(database), 0
        for n in range(60):
            task = asyncio.create_task(edits.append(edit(f"r{n}")))
            for _ in range(n % 25):
                await asyncio.sleep(0)
            if n % 3 == 0:
                await asyncio.sleep(0.002 * (n % 7))
            task.cancel()
            outcome = (await asyncio.gather(task, return_exceptions=True))[0]
            done += not isinstance(outcome, asyncio.CancelledError)
        await database.background.wait_all()  # transactions continue after their writers were cancelled
        entries = [entry async for entry in edits.all_after()]
        assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))
        assert done <= len(entries) < 60  # a transaction may be committed although its writer was cancelled
        assert await edits.last() == len(entries)
        again = await asyncio.gather(*(edits.append(edit(f"r{n}")) for n in range(60)))
        assert sorted(entry.number for entry in again) == list(range(1, 61))


# Full disks and missing permissions


async def fill(database: Database) -> int:
    """Append records until the disk is full; return their number."""
    log = LabelledLog(database)
    with pytest.raises(OutputUnwritableError) as caught:
        for n in range(1000):
            await log.append(labelled(f"r{n}", payload=os.urandom(100_000)))
    assert "make room" in caught.value.hint
    return n


async def test_a_file_on_a_full_disk_refuses_writes_and_loses_nothing(tmp_path: Path) -> None:
    with tiny_disk(tmp_path / "disk", 4) as disk:
        config = database_at(f"sqlite:///{disk}/videotag.db")
        await migrate(config)
        (disk / "ballast").write_bytes(bytes(2**20))
        async with opened(config) as database:
            stored = await fill(database)
            assert stored == await LabelledLog(database).last() == len(await LabelledLog(database).after(0)) > 0
            (disk / "ballast").unlink()
            assert (await LabelledLog(database).append(labelled(f"r{stored}"))).number == stored + 1
        with closing(sqlite3.connect(file_of(config))) as plain:
            assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.slow
@pytest.mark.postgres
async def test_a_server_on_a_full_disk_refuses_writes_and_loses_nothing(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    with tiny_disk(postgres.folder / "disk", 24) as disk:
        folder = disk / "space"
        folder.mkdir()
        folder.chmod(0o700)
        owner = (postgres.folder / "data").stat()
        os.chown(folder, owner.st_uid, owner.st_gid)
        postgres.sql(f"CREATE TABLESPACE tiny LOCATION '{folder}'")
        with postgres.new_database("TABLESPACE tiny") as url:
            config = database_at(url)
            await migrate(config)
            (disk / "ballast").write_bytes(bytes(2**20))
            async with opened(config) as database:
                stored = await fill(database)
                assert stored == await LabelledLog(database).last() == len(await LabelledLog(database).after(0, 1000))
                (disk / "ballast").unlink()
                assert (await LabelledLog(database).append(labelled(f"r{stored}"))).number == stored + 1
        postgres.sql("DROP TABLESPACE tiny")


@sqlite_only
async def test_a_file_at_its_size_limit_refuses_writes_and_loses_nothing(config: DatabaseConfig) -> None:
    def limit(connection: Any, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 200")  # of 4 KiB

    event.listen(Pool, "connect", limit)  # like a small disk, which only root can mount
    try:
        async with opened(config) as database:
            stored = await fill(database)
    finally:
        event.remove(Pool, "connect", limit)
    async with opened(config) as database:
        assert stored == await LabelledLog(database).last() == len(await LabelledLog(database).after(0)) > 0
        assert (await LabelledLog(database).append(labelled(f"r{stored}"))).number == stored + 1


@contextmanager
def as_nobody() -> Iterator[None]:
    """Run as an unprivileged user, because root may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


async def test_a_file_without_write_permission_is_an_error() -> None:
    with tempfile.TemporaryDirectory() as name:  # other users cannot read the folders of pytest
        folder = Path(name)
        config = database_at(f"sqlite:///{folder}/videotag.db")
        await migrate(config)
        for path, mode in ((folder / "videotag.db", 0o444), (folder, 0o555)):
            path.chmod(mode)
        with as_nobody():
            async with opened(config) as database:
                error = await refused(database, OutputUnwritableError)
                assert "user" in error.hint
        folder.chmod(0o755)
        (folder / "videotag.db").chmod(0o644)
        async with opened(config) as database:
            assert (await TagEdits(database).append(edit("r1"))).number == 1


@pytest.mark.slow
@postgres_only
async def test_a_read_only_standby_is_an_error(config: DatabaseConfig, postgres: PostgresServer) -> None:
    name = url_of(config).rsplit("/", 1)[1].partition("?")[0]
    postgres.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    async with opened(config) as database:
        await refused(database, OutputUnwritableError, "read-only transaction")
        assert await TagEdits(database).after(0) == ()


# Damaged files


async def test_a_file_that_is_not_a_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "videotag.db").write_text("title,tags\n" * 1000)
    async with opened(database_at(f"sqlite:///{tmp_path}/videotag.db")) as database:
        await refused(database, ArtifactCorruptError, "not a database")
    assert (tmp_path / "videotag.db").read_text() == "title,tags\n" * 1000


async def test_failed_connections_leak_no_threads(tmp_path: Path) -> None:
    (tmp_path / "videotag.db").write_text("title,tags\n" * 1000)
    before = threading.active_count()
    for path in (tmp_path / "videotag.db", tmp_path):
        async with opened(database_at(f"sqlite:///{path}")) as database:
            for _ in range(20):
                await refused(database, VideotagError)
    assert threading.active_count() == before


async def test_a_folder_instead_of_a_file_is_an_error(tmp_path: Path) -> None:
    async with opened(database_at(f"sqlite:///{tmp_path}")) as database:
        await refused(database, OutputUnwritableError, "unable to open")
    assert list(tmp_path.iterdir()) == []


@sqlite_only
async def test_a_damaged_file_is_an_error(config: DatabaseConfig) -> None:
    async with opened(config) as database:
        for n in range(50):
            await TagEdits(database).append(edit(f"r{n}"))
    path = file_of(config)
    whole = path.read_bytes()
    damaged = whole[:8192] + b"\xff" * (len(whole) - 8192)
    path.write_bytes(damaged)
    async with opened(config) as database:
        await refused(database, ArtifactCorruptError, "malformed")
    assert path.read_bytes() == damaged


# Secrets


@postgres_only
async def test_the_password_is_in_no_error_and_no_log(
    config: DatabaseConfig, postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    wrong = "topsecret"
    texts = []
    for url in (
        postgres.url("postgres", password=wrong),
        f"postgresql://me:{wrong}@127.0.0.1:1/tags",
        f"postgresql://me:{wrong}@no.such.host.invalid/tags",
    ):
        async with opened(database_at(url)) as database:
            error = await refused(database, BackendUnavailableError)
            texts += [*chain(error), repr(vars(database))]
    async with opened(config) as database:
        await TagEdits(database).append(edit("r1"))
    texts += [caplog.text, *(repr(vars(record)) for record in caplog.records)]
    for output in texts:
        assert wrong not in output
        assert "s3cr3t" not in output


def chain(error: BaseException | None) -> Iterator[str]:
    """Yield the texts of an error and its causes, as a traceback shows them."""
    while error is not None:
        yield repr(error) + str(error) + repr(vars(error))
        error = error.__cause__ or error.__context__


@sqlite_only
@pytest.mark.parametrize("is_replaced", [False, True])
async def test_a_file_that_was_removed_or_replaced_is_neither_read_nor_written(
    empty: DatabaseConfig, is_replaced: bool
) -> None:
    await migrate(empty)
    async with opened(empty) as database:
        assert database.file is not None
        await TagEdits(database).append(edit("before"))
        kept = database.file.rename(database.file.with_name("kept.db"))
        if is_replaced:
            database.file.write_bytes(kept.read_bytes())
        error = await refused(database, BackendUnavailableError, "removed or replaced")
        assert "restore" in (error.hint or "")
        with pytest.raises(BackendUnavailableError, match="removed or replaced"):
            await TagEdits(database).last()
        assert database.file.exists() == is_replaced
        kept.replace(database.file)
        await TagEdits(database).append(edit("after"))
        assert await TagEdits(database).last() == 2
