"""Writers of the same videos on PostgreSQL: each waits for the others, and none for one that waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.util import await_only

from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.engagements import EngagementEvent, Engagements
from tagging.store.database.topic_queues import TopicQueues
from tagging.store.database.topic_videos import TopicVideos
from tagging.store.topic_video import AssignedVideo, QueueRules
from tests.support.database_records import NOON
from tests.support.polling import TIMEOUT_S
from tests.support.topic_rows import stored_videos

pytestmark = [pytest.mark.anyio, pytest.mark.postgres, pytest.mark.parametrize("empty", ["postgres"], indirect=True)]
LATER = NOON + timedelta(days=30)
RULES = QueueRules(LATER, 86_400.0, least_exposures=10, least_click_rate=0.1, fresh_since=LATER)
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")


@asynccontextmanager
async def locked(database: Database, table: str, video_id: str) -> AsyncIterator[None]:
    """Hold the rows of a video while the context lasts."""
    held, released = asyncio.Event(), asyncio.Event()

    def hold(connection: Connection) -> None:
        connection.execute(text(f"SELECT 1 FROM {table} WHERE video_id = :id FOR UPDATE"), {"id": video_id})
        held.set()
        await_only(released.wait())

    holding = asyncio.create_task(database.write(hold))
    try:
        await held.wait()
        yield
    finally:
        released.set()
        await holding


async def until_waiting(database: Database, count: int) -> None:
    """Return when `count` writers wait for locks."""
    async with asyncio.timeout(TIMEOUT_S):
        while await database.read(lambda connection: connection.execute(WAITING).scalar_one()) < count:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def databases(config: DatabaseConfig, count: int) -> AsyncIterator[list[Database]]:
    opened = [Database(config) for _ in range(count)]
    try:
        yield opened
    finally:
        for database in opened:
            await database.close()


@pytest.mark.parametrize("first", ["entering", "pruning", "reporting"])
@pytest.mark.parametrize("table", ["topic_videos", "video_engagement"])
async def test_writers_of_the_same_videos_take_turns(config: DatabaseConfig, first: str, table: str) -> None:
    async with databases(config, 4) as (blocker, *others):
        await TopicVideos(others[0]).put([AssignedVideo("b", ((1, 0.9), (2, 0.8)))], NOON)  # stored before a
        await TopicVideos(others[0]).put([AssignedVideo("a", ((2, 0.9), (1, 0.8)))], NOON)
        entered = [AssignedVideo(video_id, ((1, 0.9), (3, 0.8))) for video_id in ("b", "a")]
        events = [EngagementEvent(f"e{n}", video_id, "u", "click", NOON) for n, video_id in enumerate(("b", "a"))]
        writers = {
            "entering": TopicVideos(others[0]).put(entered, NOON),
            "pruning": TopicQueues(others[1]).prune(RULES, LATER, "", 10),
            "reporting": Engagements(others[2], 86_400.0).report(events),
        }
        ordered = [writers.pop(first), *writers.values()]
        async with locked(blocker, table, "a"):
            tasks = []
            for number, writer in enumerate(ordered, 1):
                tasks.append(asyncio.create_task(writer))
                await until_waiting(blocker, number)
        await asyncio.gather(*tasks)
        assert {video.video_id for video in await stored_videos(blocker, 2)} == set()
