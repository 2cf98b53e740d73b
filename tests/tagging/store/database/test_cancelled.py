"""Cancellation of callers in the middle of a transaction."""

import asyncio

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from tagging.store.database.database import Database
from tagging.store.database.tag_edits import TagEdits
from tagging.store.database.taggings import Taggings
from tests.support.database_records import edit, request_id_of, tagging

pytestmark = pytest.mark.anyio


async def test_a_cancelled_caller_leaks_no_connection_and_its_writes_complete(database: Database) -> None:
    taggings, edits = Taggings(database), TagEdits(database)
    opened: list[object] = []

    def count(connection: object, _: object) -> None:
        opened.append(connection)

    event.listen(Pool, "connect", count)
    for number in range(30):
        work = [taggings.latest("v1"), edits.append(edit(f"r{number}")), taggings.put(tagging(f"v{number}"))]
        callers = [asyncio.ensure_future(operation) for operation in work]
        for _ in range(number):  # cancel at later and later points of the transactions
            await asyncio.sleep(0)
        for caller in callers:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
    await database.background.wait_all()
    event.remove(Pool, "connect", count)
    assert 0 < len(opened) <= 5  # the size of the pool
    begun = {request_id_of(entry) async for entry in edits.all_after()}
    assert begun >= {f"r{number}" for number in range(1, 30)}
    for number in range(1, 30):
        assert await taggings.latest(f"v{number}") is not None
