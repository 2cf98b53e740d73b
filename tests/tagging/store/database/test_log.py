import asyncio
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Connection, update

from tagging.errors import DatabaseMismatchError, InvalidRecordError, OvertakenError
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.feedback import FeedbackLog
from tagging.store.database.log import Log, Numbered
from tagging.store.database.tag_edits import TagEdit, TagEdits
from tagging.store.database.texts import ID_BYTES
from tests.support.database_records import LOGS, NOON, await_within, edit, url_of

pytestmark = pytest.mark.anyio
every_log = pytest.mark.parametrize(("kind", "make"), LOGS)
Make = Callable[..., Any]


@every_log
async def test_records_come_back_as_they_were_in_their_order(
    database: Database, kind: type[Log[Any]], make: Make
) -> None:
    log = kind(database)
    records = [make(f"r{n}", at=NOON - timedelta(days=n)) for n in range(5)]  # the clock does not say the order
    appended = [await log.append(record) for record in records]
    assert appended == [Numbered(n, record) for n, record in enumerate(records, 1)]
    assert await log.after(0) == tuple(appended)
    assert await log.after(2, limit=2) == tuple(appended[2:4])
    assert await log.after(5) == ()
    assert await log.last() == 5
    assert [entry async for entry in log.all_after(1)] == appended[1:]


async def test_a_log_of_several_pages_is_read_whole(database: Database) -> None:
    log = TagEdits(database)
    for n in range(201):
        await log.append(edit(f"r{n}"))
    assert [entry.number async for entry in log.all_after()] == list(range(1, 202))


@every_log
async def test_a_request_that_is_sent_again_appends_nothing(
    database: Database, kind: type[Log[Any]], make: Make
) -> None:
    log = kind(database)
    first = await log.append(make("r1"))
    await log.append(make("r2"))
    again = make("r1", at=NOON + timedelta(hours=1))
    assert await log.append(again) == first
    assert await log.append(again, seen=0) == first  # also where others came after it
    assert await log.last() == 2


@every_log
async def test_a_record_that_only_a_newer_version_reads_is_refused_by_its_number(
    database: Database, kind: type[Log[Any]], make: Make
) -> None:
    log = kind(database)
    await log.append_all([make("r1"), make("r2")])
    newer = {"accepted": [{"tag_id": "1", "name": "cat", "certainty": 1}]} if kind is FeedbackLog else {"kind": "split"}
    await database.write(
        lambda connection: connection.execute(update(log.table).values(newer).where(log.table.c.number == 2))
    )
    with pytest.raises(DatabaseMismatchError, match=f"entry 2 of {log.table.name} cannot be read") as told:
        await log.after(0)
    assert "newer version" in (told.value.hint or "")
    assert [entry.number for entry in await log.after(0, limit=1)] == [1]


@every_log
async def test_another_record_under_the_same_request_is_refused(
    database: Database, kind: type[Log[Any]], make: Make
) -> None:
    log = kind(database)
    await log.append(make("r1"))
    with pytest.raises(InvalidRecordError, match="'r1' stored something else"):
        await log.append(make("r1", who="someone else"))
    assert await log.last() == 1


@every_log
async def test_a_record_that_others_overtook_is_refused(database: Database, kind: type[Log[Any]], make: Make) -> None:
    log = kind(database)
    await log.append(make("r1"), seen=0)
    with pytest.raises(OvertakenError, match="ends at 1, not at 0"):
        await log.append(make("r2"), seen=0)
    assert (await log.append(make("r2"), seen=1)).number == 2
    assert (await log.append(make("r3"))).number == 3


async def test_of_writers_that_saw_the_same_one_wins(config: DatabaseConfig) -> None:
    databases = [Database(config) for _ in range(8)]
    tries = [TagEdits(database).append(edit(f"r{n}"), seen=0) for n, database in enumerate(databases)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Numbered"] + ["OvertakenError"] * 7
    for database in databases:
        await database.close()


class HeldBack(TagEdits):
    """Has its number and does not commit until it is let go."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.has_number, self.let_go = asyncio.Event(), asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def _check(self, connection: Connection, record: TagEdit) -> None:
        async def others() -> None:
            self.has_number.set()
            await self.let_go.wait()

        await_within(self._database, self._loop, others())


async def test_no_number_is_seen_before_a_lower_one_that_commits_late(config: DatabaseConfig) -> None:
    one, other = Database(config), Database(config)
    late, next_one, reader = HeldBack(one), TagEdits(other), TagEdits(other)
    first = asyncio.create_task(late.append(edit("late")))
    await late.has_number.wait()
    second = asyncio.create_task(next_one.append(edit("next")))
    await asyncio.wait([second], timeout=0.5)
    assert not second.done()
    assert await reader.after(0) == ()
    late.let_go.set()
    assert [(await first).number, (await second).number] == [1, 2]
    assert [entry.record.request_id for entry in await reader.after(0)] == ["late", "next"]
    await one.close()
    await other.close()


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


async def test_a_follower_of_several_writing_processes_misses_nothing(config: DatabaseConfig) -> None:
    url, count = url_of(config), 40
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, url, f"w{n}", str(count)]) for n in range(4)]
    database = Database(config)
    log, seen, looks = TagEdits(database), list[Numbered[TagEdit]](), 0
    while any(writer.poll() is None for writer in writers) or await log.last() > len(seen):
        new = await log.after(seen[-1].number if seen else 0)
        seen.extend(new)
        looks += bool(new)
    assert [writer.returncode for writer in writers] == [0] * 4
    assert [entry.number for entry in seen] == list(range(1, 4 * count + 1))
    assert {e.record.request_id for e in seen} == {f"w{writer}-{n}" for writer in range(4) for n in range(count)}
    assert looks > 10  # else it followed nothing
    await database.close()


@every_log
async def test_records_are_appended_together_or_not_at_all(
    database: Database, kind: type[Log[Any]], make: Make
) -> None:
    log = kind(database)
    await log.append(make("r0"))
    together = [make("r1", who="one"), make("r2", who="two")]
    entries = await log.append_all(together, seen=1)
    assert [(entry.number, entry.record.who) for entry in entries] == [(2, "one"), (3, "two")]
    assert await log.append_all(together) == entries  # sent again
    with pytest.raises(InvalidRecordError, match="was stored before, and others beside it were not"):
        await log.append_all([make("r2", who="two"), make("r3")])
    with pytest.raises(OvertakenError):
        await log.append_all([make("r3"), make("r4")], seen=2)
    with pytest.raises(InvalidRecordError):
        await log.append_all([make("r3"), make("r0", who="somebody else")])
    assert [entry.record.request_id for entry in await log.after(0)] == ["r0", "r1", "r2"]
    assert [entry.number for entry in await log.append_all([make("r3"), make("r4")], seen=3)] == [4, 5]


@every_log
@pytest.mark.parametrize(
    "changed",
    [
        {"request_id": ""},
        {"request_id": "x" * (ID_BYTES + 1)},
        {"request_id": "ü" * (ID_BYTES // 2 + 1)},
        {"request_id": "zero \x00"},
        {"who": "half \ud800"},
        {"who": "x" * 257},
    ],
)
def test_what_no_database_keeps_is_refused(kind: type[Log[Any]], make: Make, changed: dict[str, str]) -> None:
    with pytest.raises(InvalidRecordError, match=next(iter(changed))):
        replace(make("r1"), **changed)


@every_log
@pytest.mark.parametrize("at", [NOON.replace(tzinfo=None), NOON.replace(year=1), NOON.replace(year=9999)])
def test_a_time_without_a_zone_or_at_an_end_of_the_calendar_is_refused(
    kind: type[Log[Any]], make: Make, at: datetime
) -> None:
    with pytest.raises(ValueError, match="no time zone, or a year"):
        make("r1", at=at)


async def test_a_moment_that_is_taken_comes_back_whatever_its_zone(database: Database) -> None:
    edits, taken = TagEdits(database), 0
    for hour in range(72):
        for start in (datetime(1969, 12, 31), datetime(8999, 12, 31)):
            for zone in (-14, 14):
                at = (start + timedelta(hours=hour)).replace(tzinfo=timezone(timedelta(hours=zone)))
                try:
                    record = edit(f"{at}", at=at)
                except ValueError:
                    continue
                stored = await edits.append(record)
                taken += 1
                assert await edits.get(stored.number) == stored
    assert taken == 62 + 34 + 10 + 38  # the hours that lie between in UTC
