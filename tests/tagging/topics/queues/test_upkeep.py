from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from tagging.config.base import LONGEST_DAYS
from tagging.config.topic_queues import QueuesConfig
from tagging.errors import DatabaseMismatchError
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.engagements import EngagementEvent, Engagements, EventKind
from tagging.store.database.migrate import migrate
from tagging.store.database.topic_queues import TopicQueues
from tagging.store.database.topic_videos import TopicVideos
from tagging.store.topic_video import AssignedVideo
from tagging.topics.queues import upkeep
from tagging.topics.queues.enter import enter_videos
from tagging.topics.queues.upkeep import BATCH, load_pool, prune
from tests.support.clocks import NOW
from tests.support.database_records import database_at
from tests.support.topic_rows import stored_videos

pytestmark = pytest.mark.anyio
LATER = NOW + timedelta(hours=1)
CONFIG = QueuesConfig(
    least_exposures=2, least_click_rate=0.1, half_life_days=7, fresh_days=5, remembered_days=10, kept_days=20
)


@pytest.fixture
def settings(tmp_path: Path) -> DatabaseConfig:
    return database_at(f"sqlite:///{tmp_path}/topics.db")


@pytest.fixture
async def database(settings: DatabaseConfig) -> AsyncIterator[Database]:
    await migrate(settings)
    database = Database(settings)
    yield database
    await database.close()


def pool(*video_ids: str) -> list[AssignedVideo]:
    return [AssignedVideo(video_id, ((1, 0.5),)) for video_id in video_ids]


async def ids(database: Database) -> set[str]:
    return {video.video_id for video in await stored_videos(database, 1)}


async def test_a_pool_is_loaded_once_for_each_version(database: Database) -> None:
    videos = TopicVideos(database)
    await load_pool(videos, "m1", pool("a", "b"), NOW)
    await load_pool(videos, "m1", pool("c"), NOW)
    assert await ids(database) == {"a", "b"}
    await load_pool(videos, "m2", pool("c"), LATER)
    assert await ids(database) == {"a", "b", "c"}


async def test_the_pool_of_an_earlier_model_is_loaded_again_when_that_is_served_again(database: Database) -> None:
    videos = TopicVideos(database)
    await load_pool(videos, "m1", pool("a"), NOW)
    await load_pool(videos, "m2", [AssignedVideo("a", ((2, 0.5),))], LATER)
    assert await videos.topics_of(["a"]) == {"a": (2,)}
    await load_pool(videos, "m1", pool("a"), LATER + timedelta(hours=1))
    assert await videos.topics_of(["a"]) == {"a": (1,)}


async def test_the_pool_of_an_earlier_model_is_loaded_again_after_an_interrupted_load_of_a_later_one(
    database: Database,
) -> None:
    def interrupted() -> Iterator[AssignedVideo]:
        yield from (AssignedVideo(f"v{number}", ((2, 0.5),)) for number in range(BATCH))
        raise OSError

    videos = TopicVideos(database)
    await load_pool(videos, "m1", pool("v0"), NOW)
    with pytest.raises(OSError):  # noqa: PT011 - of the test
        await load_pool(videos, "m2", interrupted(), LATER)
    assert await videos.topics_of(["v0"]) == {"v0": (2,)}
    await load_pool(videos, "m1", pool("v0"), LATER + timedelta(hours=1))
    assert await videos.topics_of(["v0"]) == {"v0": (1,)}


async def test_a_clock_that_goes_back_does_not_hide_a_later_load(database: Database) -> None:
    videos = TopicVideos(database)
    await load_pool(videos, "m1", pool("a"), LATER)
    await load_pool(videos, "m2", [AssignedVideo("a", ((2, 0.5),))], NOW)
    assert await videos.is_loaded("m2")
    await load_pool(videos, "m1", pool("a"), NOW + timedelta(hours=1))
    assert await videos.topics_of(["a"]) == {"a": (1,)}


async def test_an_interrupted_load_is_repeated_and_its_videos_count_as_no_uploads(database: Database) -> None:
    def interrupted() -> Iterator[AssignedVideo]:
        yield from pool("a")
        raise OSError

    videos = TopicVideos(database)
    with pytest.raises(OSError):  # noqa: PT011 - of the test
        await load_pool(videos, "m1", interrupted(), NOW)
    await load_pool(videos, "m1", pool("a", "b"), LATER)
    assert await ids(database) == {"a", "b"}
    assert await videos.added_between(NOW, LATER + timedelta(days=1)) == ({}, 0)


async def test_pruning_removes_only_what_no_queue_and_no_count_needs(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "BATCH", 2)
    videos, engagements = TopicVideos(database), Engagements(database, CONFIG.half_life_s)
    await videos.put(pool("clicked", "seen", "unseen"), NOW)
    at = NOW + timedelta(days=20)
    kinds: list[tuple[str, EventKind]] = [("clicked", "exposure"), ("clicked", "click"), ("seen", "exposure")]
    events = [
        EngagementEvent(f"{video_id} {kind} {n}", video_id, "u", kind, NOW + timedelta(days=15))
        for video_id, kind in kinds
        for n in range(9)
    ]
    await engagements.report([*events, EngagementEvent("old", "unseen", "u", "click", NOW)])
    await videos.put(pool("new"), at)

    await prune(TopicQueues(database), engagements, CONFIG, at)  # kept for 20 days
    assert await ids(database) == {"clicked", "seen", "unseen", "new"}
    assert set(await engagements.clicked("u", 99)) == {"clicked"}  # 10 days are remembered
    await prune(TopicQueues(database), engagements, CONFIG, at + timedelta(seconds=1))
    assert await ids(database) == {"clicked", "new"}
    await prune(TopicQueues(database), engagements, CONFIG, at + timedelta(days=365))
    assert await ids(database) == set()
    assert await engagements.prune(at, at + timedelta(days=365), 9) == 0


async def test_an_event_is_remembered_as_long_as_a_clock_that_is_behind_accepts_it(database: Database) -> None:
    engagements = Engagements(database, CONFIG.half_life_s)
    event = EngagementEvent("e", "a", "u", "click", NOW)
    assert await engagements.report([event]) == 1
    await prune(TopicQueues(database), engagements, CONFIG, NOW + timedelta(days=10, minutes=5))
    assert await engagements.report([event]) == 0
    await prune(TopicQueues(database), engagements, CONFIG, NOW + timedelta(days=10, hours=2))
    assert await engagements.clicked("u", 9) == ()


async def test_the_longest_times_of_the_configuration_can_be_reckoned_with(database: Database) -> None:
    names = ("half_life_days", "fresh_days", "remembered_days", "kept_days")
    longest = QueuesConfig.model_validate(dict.fromkeys(names, LONGEST_DAYS))
    videos, engagements = TopicVideos(database), Engagements(database, longest.half_life_s)
    await videos.put(pool("a"), NOW)
    await prune(TopicQueues(database), engagements, longest, NOW + timedelta(days=LONGEST_DAYS, seconds=1))
    assert await ids(database) == set()
    for name in names:
        with pytest.raises(ValidationError, match=name):
            QueuesConfig.model_validate({name: LONGEST_DAYS + 1})


@pytest.mark.parametrize(("name", "value"), [("least_fresh", 10**6 + 1), ("recent_clicks", 1001)])
def test_numbers_that_no_query_can_have_are_refused(name: str, value: int) -> None:
    assert QueuesConfig.model_validate({name: value - 1})
    with pytest.raises(ValidationError, match=name):
        QueuesConfig.model_validate({name: value})


async def test_assigned_videos_enter_a_database_with_tables_only(settings: DatabaseConfig, tmp_path: Path) -> None:
    with pytest.raises(DatabaseMismatchError, match="there is no database"):
        await enter_videos(settings, pool("a"), NOW)
    assert list(tmp_path.iterdir()) == []


async def test_assigned_videos_enter_the_queues(settings: DatabaseConfig, database: Database) -> None:
    await enter_videos(settings, pool("a"), NOW)
    assert await ids(database) == {"a"}
