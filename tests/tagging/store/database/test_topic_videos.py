import asyncio
from datetime import timedelta

import pytest

from tagging.errors import InvalidRecordError
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.engagements import EngagementEvent, Engagements
from tagging.store.database.topic_videos import BATCH, TopicVideos
from tagging.store.topic_video import AssignedVideo
from tests.support.database_records import NOON
from tests.support.topic_rows import StoredVideo, stored_videos

pytestmark = pytest.mark.anyio
LATER = NOON + timedelta(days=1)
EARLIER = NOON - timedelta(days=1)


def assigned(video_id: str, *topics: int) -> AssignedVideo:
    return AssignedVideo(video_id, tuple((topic, 0.9 - 0.1 * rank) for rank, topic in enumerate(topics)))


def unseen(video_id: str) -> StoredVideo:
    return StoredVideo(video_id, NOON)


async def test_videos_are_found_by_topic_and_topics_by_video(database: Database) -> None:
    videos = TopicVideos(database)
    await videos.put([assigned("v1", 7, 2), assigned("v2", 2), assigned("v3")], NOON)
    assert await stored_videos(database, 2) == {unseen("v1"), unseen("v2")}
    assert await stored_videos(database, 7) == {unseen("v1")}
    assert await stored_videos(database, 1) == set()
    assert await videos.topics_of(["v1", "v1", "v3", "v4"]) == {"v1": (7, 2)}


async def test_another_assignment_replaces_the_topics_and_keeps_the_time(database: Database) -> None:
    videos = TopicVideos(database)
    await videos.put([assigned("v1", 1, 2), assigned("v2", 1)], NOON)
    await videos.put([assigned("v1", 3), assigned("v2"), assigned("v4", 3)], LATER)
    assert await stored_videos(database, 1) == await stored_videos(database, 2) == set()
    times = {video.video_id: video.added_at for video in await stored_videos(database, 3)}
    assert times == {"v1": NOON, "v4": LATER}


async def test_the_last_of_equal_videos_counts(database: Database) -> None:
    videos = TopicVideos(database)
    await videos.put([assigned("v1", 1), assigned("v1", 2)], NOON)
    assert await videos.topics_of(["v1"]) == {"v1": (2,)}


async def test_videos_come_with_their_engagement(database: Database) -> None:
    videos = TopicVideos(database)
    await videos.put([assigned("v1", 1), assigned("v2", 1)], NOON)
    await Engagements(database, 1.0).report([EngagementEvent("e", "v2", "", "click", LATER)])
    assert await stored_videos(database, 1) == {unseen("v1"), StoredVideo("v2", NOON, clicks=1)}


async def test_a_topic_that_is_given_twice_is_stored_once(database: Database) -> None:
    await TopicVideos(database).put([assigned("v1", 1, 1)], NOON)
    assert await stored_videos(database, 1) == {unseen("v1")}


async def test_many_videos_are_put_in_several_transactions(database: Database) -> None:
    videos = TopicVideos(database)
    await videos.put([assigned(f"v{n}", 1, 2, 3, 4) for n in range(2 * BATCH + 1)], NOON)
    assert len(await stored_videos(database, 4)) == 2 * BATCH + 1


async def test_an_id_that_cannot_be_stored_is_refused_before_anything_is_written(database: Database) -> None:
    videos = TopicVideos(database)
    with pytest.raises(InvalidRecordError, match="video_id"):
        await videos.put([assigned("a", 1), assigned("b\0", 1)], NOON)
    assert await stored_videos(database, 1) == set()


async def test_several_writers_put_the_same_videos_at_once(config: DatabaseConfig) -> None:
    databases = [Database(config) for _ in range(4)]
    videos = [assigned(f"v{n}", 1, 2) for n in range(50)]
    for _ in range(3):
        await asyncio.gather(
            *(TopicVideos(database).put(videos[:: (-1) ** n], NOON) for n, database in enumerate(databases))
        )
    assert len(await stored_videos(databases[0], 2)) == 50
    for database in databases:
        await database.close()


async def test_the_model_that_was_loaded_last_is_loaded(database: Database) -> None:
    videos = TopicVideos(database)
    assert await videos.begin_load("m1", NOON) == NOON
    assert not await videos.is_loaded("m1")
    await videos.end_load("m1", NOON)
    assert await videos.is_loaded("m1")
    assert await videos.begin_load("m2", LATER) == LATER
    assert [await videos.is_loaded(version) for version in ("m1", "m2")] == [False, False]
    await videos.end_load("m2", LATER)
    assert [await videos.is_loaded(version) for version in ("m1", "m2")] == [False, True]


async def test_a_load_that_is_repeated_or_run_twice_at_once_has_the_time_of_the_first(config: DatabaseConfig) -> None:
    databases = [Database(config) for _ in range(3)]
    times = [NOON + timedelta(seconds=n) for n in range(3)]
    begun = await asyncio.gather(
        *(TopicVideos(database).begin_load("m1", at) for database, at in zip(databases, times, strict=True))
    )
    assert len(set(begun)) == 1
    assert begun[0] in times
    for database in databases:
        await database.close()


async def test_videos_of_a_period_are_counted_without_the_pools_of_models(database: Database) -> None:
    videos = TopicVideos(database)
    await videos.put([assigned("pool", 1)], EARLIER)
    await videos.begin_load("m1", EARLIER)
    await videos.put([assigned("a", 1, 2), assigned("b", 1)], NOON)
    await videos.put([assigned("c", 2), assigned("a", 2)], LATER)
    assert await videos.added_between(NOON, LATER) == ({1: 1, 2: 1}, 2)
    assert await videos.added_between(NOON, LATER + timedelta(seconds=1)) == ({1: 1, 2: 2}, 3)
    assert await videos.added_between(EARLIER, NOON) == ({}, 0)


async def test_each_user_who_clicks_is_counted_once_for_a_topic(database: Database) -> None:
    videos = TopicVideos(database)
    await videos.put([assigned("a", 1, 2), assigned("b", 1)], NOON)
    events = [
        EngagementEvent("e1", "a", "u1", "click", NOON),
        EngagementEvent("e2", "b", "u1", "click", NOON),
        EngagementEvent("e3", "b", "u2", "click", NOON),
        EngagementEvent("e4", "a", "u3", "exposure", NOON),
        EngagementEvent("e5", "a", "", "click", NOON),
        EngagementEvent("e6", "unassigned", "u4", "click", NOON),
        EngagementEvent("e7", "a", "u5", "click", LATER),
    ]
    await Engagements(database, 1.0).report(events)
    assert await videos.clicked_between(NOON, LATER) == ({1: 2, 2: 1}, 2)
    assert await videos.clicked_between(LATER, LATER + timedelta(days=1)) == ({1: 1, 2: 1}, 1)
