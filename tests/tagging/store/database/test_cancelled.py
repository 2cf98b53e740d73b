"""Callers that go away in the middle of a transaction."""

import asyncio

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from tagging.store.database.database import Database
from tagging.store.database.tag_edits import TagEdits
from tagging.store.database.taggings import Taggings
from tests.support.database_records import edit, tagging

pytestmark = pytest.mark.anyio


async def test_a_cancelled_caller_costs_no_connection_and_what_it_wrote_is_there(database: Database) -> None:
    taggings, edits = Taggings(database), TagEdits(database)
    opened: list[object] = []

    def open_one(connection: object, _: object) -> None:
        opened.append(connection)

    event.listen(Pool, "connect", open_one)
    for number in range(30):
        work = [taggings.latest("v1"), edits.append(edit(f"r{number}")), taggings.put(tagging(f"v{number}"))]
        callers = [asyncio.ensure_future(one) for one in work]
        for _ in range(number):  # later and later in the transactions
            await asyncio.sleep(0)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    await database.background.wait_all()
    event.remove(Pool, "connect", open_one)
    assert 0 < len(opened) <= 5  # of the pool
    begun = {entry.record.request_id async for entry in edits.all_after()}
    assert begun >= {f"r{number}" for number in range(1, 30)}
    for number in range(1, 30):
        assert await taggings.latest(f"v{number}") is not None
