import asyncio
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Connection, update

from tagging.errors import DatabaseMismatchError, InvalidRecordError, OvertakenError
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.feedback import FeedbackLog
from tagging.store.database.log import Log
from tagging.store.database.tag_edits import TagEdits
from tagging.store.database.texts import ID_BYTES
from tagging.tags.edits.edit import TagEdit
from tagging.types import Numbered
from tests.support.database_records import LOGS, NOON, await_within, edit, request_id_of, url_of
from tests.support.polling import TIMEOUT_S

pytestmark = pytest.mark.anyio
every_log = pytest.mark.parametrize(("kind", "make"), LOGS)
Make = Callable[..., Any]


@every_log
async def test_records_are_read_back_unchanged_and_in_order(
    database: Database, kind: type[Log[Any]], make: Make
) -> None:
    log = kind(database)
    records = [make(f"r{n}", at=NOON - timedelta(days=n)) for n in range(5)]  # time does not determine the order
    appended = [await log.append(record) for record in records]
    assert appended == [Numbered(n, record) for n, record in enumerate(records, 1)]
    assert await log.after(0) == tuple(appended)
    assert await log.after(2, limit=2) == tuple(appended[2:4])
    assert await log.after(5) == ()
    assert await log.last() == 5
    assert [entry async for entry in log.all_after(1)] == appended[1:]


async def test_a_log_of_several_pages_is_read_completely(database: Database) -> None:
    log = TagEdits(database)
    for n in range(201):
        await log.append(edit(f"r{n}"))
    assert [entry.number async for entry in log.all_after()] == list(range(1, 202))


@every_log
async def test_a_repeated_request_appends_nothing(database: Database, kind: type[Log[Any]], make: Make) -> None:
    log = kind(database)
    first = await log.append(make("r1"))
    await log.append(make("r2"))
    again = make("r1", at=NOON + timedelta(hours=1))
    assert await log.append(again) == first
    assert await log.append(again, seen=0) == first  # also if other entries follow
    assert await log.last() == 2


@every_log
async def test_a_record_of_a_newer_version_is_refused_with_its_number(
    database: Database, kind: type[Log[Any]], make: Make
) -> None:
    log = kind(database)
    await log.append_all([make("r1"), make("r2")])
    newer = {"accepted": [{"tag_id": "1", "name": "cat", "certainty": 1}]} if kind is FeedbackLog else {"kind": "split"}
    await database.write(
        lambda connection: connection.execute(update(log.table).values(newer).where(log.table.c.number == 2))
    )
    with pytest.raises(DatabaseMismatchError, match=f"entry 2 of {log.table.name} cannot be read") as raised:
        await log.after(0)
    assert "newer version" in (raised.value.hint or "")
    assert [entry.number for entry in await log.after(0, limit=1)] == [1]


@every_log
async def test_a_different_record_of_the_same_request_is_refused(
    database: Database, kind: type[Log[Any]], make: Make
) -> None:
    log = kind(database)
    await log.append(make("r1"))
    with pytest.raises(InvalidRecordError, match="'r1' stored something else"):
        await log.append(make("r1", client="someone else"))
    assert await log.last() == 1


@every_log
async def test_a_record_that_ignores_later_entries_is_refused(
    database: Database, kind: type[Log[Any]], make: Make
) -> None:
    log = kind(database)
    await log.append(make("r1"), seen=0)
    with pytest.raises(OvertakenError, match="ends at 1, not at 0"):
        await log.append(make("r2"), seen=0)
    assert (await log.append(make("r2"), seen=1)).number == 2
    assert (await log.append(make("r3"))).number == 3


async def test_only_one_of_several_writers_with_the_same_state_succeeds(config: DatabaseConfig) -> None:
    databases = [Database(config) for _ in range(8)]
    tries = [TagEdits(database).append(edit(f"r{n}"), seen=0) for n, database in enumerate(databases)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Numbered"] + ["OvertakenError"] * 7
    for database in databases:
        await database.close()


class BlockedEdits(TagEdits):
    """A log whose writer has a number and does not commit until it is released."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.has_number, self.release = asyncio.Event(), asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def _check(self, connection: Connection, record: TagEdit) -> None:
        async def block() -> None:
            self.has_number.set()
            await self.release.wait()

        await_within(self._database, self._loop, block())


async def test_no_number_is_visible_before_a_lower_one_that_commits_late(config: DatabaseConfig) -> None:
    first_database, second_database = Database(config), Database(config)
    late, next_one, reader = BlockedEdits(first_database), TagEdits(second_database), TagEdits(second_database)
    first = asyncio.create_task(late.append(edit("late")))
    await late.has_number.wait()
    second = asyncio.create_task(next_one.append(edit("next")))
    await asyncio.wait([second], timeout=0.5)
    assert not second.done()
    assert await reader.after(0) == ()
    late.release.set()
    assert [(await first).number, (await second).number] == [1, 2]
    assert [request_id_of(entry) for entry in await reader.after(0)] == ["late", "next"]
    await first_database.close()
    await second_database.close()


WRITER = """
import asyncio, sys
from tagging.store.database.database import Database
from tagging.store.database.tag_edits import TagEdits
from tests.support.database_records import database_at, edit

async def write(url, name, count):
    database = Database(database_at(url, wait_timeout_s=60))
    for n in range(count):
        await TagEdits(database).append(edit(f"{name}-{n}"))
    await database.close()

asyncio.run(write(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


@pytest.mark.slow
async def test_a_reader_of_several_writing_processes_misses_nothing(config: DatabaseConfig) -> None:
    url, count, names = url_of(config), 40, ("w0", "w1")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, url, name, str(count)]) for name in names]
    database = Database(config)
    log, seen, reads = TagEdits(database), list[Numbered[TagEdit]](), 0
    async with asyncio.timeout(TIMEOUT_S):
        while any(writer.poll() is None for writer in writers) or await log.last() > len(seen):
            new = await log.after(seen[-1].number if seen else 0)
            seen.extend(new)
            reads += bool(new)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert [entry.number for entry in seen] == list(range(1, 2 * count + 1))
    assert {request_id_of(e) for e in seen} == {f"{name}-{n}" for name in names for n in range(count)}
    assert reads > 10  # it followed the writers
    await database.close()


@every_log
async def test_records_are_appended_all_or_none(database: Database, kind: type[Log[Any]], make: Make) -> None:
    log = kind(database)
    await log.append(make("r0"))
    together = [make("r1", client="one"), make("r2", client="two")]
    entries = await log.append_all(together, seen=1)
    assert [(entry.number, entry.record.origin.client) for entry in entries] == [(2, "one"), (3, "two")]
    assert await log.append_all(together) == entries  # sent again
    with pytest.raises(InvalidRecordError, match="was stored before, but not the other records of this call"):
        await log.append_all([make("r2", client="two"), make("r3")])
    with pytest.raises(OvertakenError):
        await log.append_all([make("r3"), make("r4")], seen=2)
    with pytest.raises(InvalidRecordError):
        await log.append_all([make("r3"), make("r0", client="someone else")])
    assert [request_id_of(entry) for entry in await log.after(0)] == ["r0", "r1", "r2"]
    assert [entry.number for entry in await log.append_all([make("r3"), make("r4")], seen=3)] == [4, 5]


@every_log
@pytest.mark.parametrize(
    "changed",
    [
        {"request_id": ""},
        {"request_id": "x" * (ID_BYTES + 1)},
        {"request_id": "ü" * (ID_BYTES // 2 + 1)},
        {"request_id": "zero \x00"},
        {"client": "half \ud800"},
        {"client": "x" * 257},
    ],
)
async def test_text_that_no_database_can_store_is_refused(
    database: Database, kind: type[Log[Any]], make: Make, changed: dict[str, str]
) -> None:
    log = kind(database)
    with pytest.raises(InvalidRecordError, match=next(iter(changed))):
        await log.append(make(**{"request_id": "r1", **changed}))
    assert await log.last() == 0


@every_log
@pytest.mark.parametrize("at", [NOON.replace(tzinfo=None), NOON.replace(year=1), NOON.replace(year=9999)])
async def test_a_time_without_a_zone_or_at_an_end_of_the_calendar_is_refused(
    database: Database, kind: type[Log[Any]], make: Make, at: datetime
) -> None:
    log = kind(database)
    with pytest.raises(ValueError, match="no time zone, or a year"):
        await log.append(make("r1", at=at))
    assert await log.last() == 0


async def test_an_accepted_time_is_read_back_in_any_time_zone(database: Database) -> None:
    edits, accepted = TagEdits(database), 0
    for hour in range(72):
        for start in (datetime(1969, 12, 31), datetime(8999, 12, 31)):
            for zone in (-14, 14):
                at = (start + timedelta(hours=hour)).replace(tzinfo=timezone(timedelta(hours=zone)))
                try:
                    stored = await edits.append(edit(f"{at}", at=at))
                except ValueError:
                    continue
                accepted += 1
                assert await edits.after(stored.number - 1, 1) == (stored,)
    assert accepted == 62 + 34 + 10 + 38  # the hours within the limits in UTC
