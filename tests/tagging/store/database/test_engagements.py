import asyncio
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from tagging.errors import InvalidRecordError
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.engagements import EngagementEvent, Engagements, EventKind
from tagging.store.database.schema import video_engagement
from tagging.store.engagement import Engagement
from tests.support.database_records import NOON
from tests.support.topic_rows import stored_counts

pytestmark = pytest.mark.anyio
DAY_S = 86_400.0


def event(
    event_id: str, video_id: str = "v1", kind: EventKind = "exposure", user_id: str = "u1", hours: float = 0
) -> EngagementEvent:
    """hours: after NOON"""
    return EngagementEvent(event_id, video_id, user_id, kind, NOON + timedelta(hours=hours))


async def counted(database: Database, video_id: str = "v1") -> Engagement:
    """Return the stored counts of a video."""
    counts = await stored_counts(database, video_id)
    assert counts is not None
    return counts


async def test_events_are_counted_with_decay_to_the_last_one(database: Database) -> None:
    engagements = Engagements(database, DAY_S)
    first = [event("e1"), event("e2", hours=24), event("e3", kind="click", hours=24), event("e4", "v2")]
    assert await engagements.report(first) == 4
    assert await engagements.report([event("e5", hours=48), event("e6")]) == 2  # the second one arrives late
    found = await counted(database)
    assert (found.exposures, found.clicks) == pytest.approx((0.25 + 0.5 + 1 + 0.25, 0.5))
    assert found.at == NOON + timedelta(hours=48)
    assert (await counted(database, "v2")).exposures == 1


async def test_a_repeated_event_counts_once(database: Database) -> None:
    engagements = Engagements(database, DAY_S)
    assert await engagements.report([event("e1"), event("e1", kind="click"), event("e2")]) == 2
    assert await engagements.report([event("e2"), event("e1", kind="click"), event("e3")]) == 1
    assert await counted(database) == Engagement(3, 0, NOON)


async def test_no_events_are_no_transaction(database: Database) -> None:
    assert await Engagements(database, DAY_S).report([]) == 0


async def test_writers_of_overlapping_reports_lose_and_double_nothing(config: DatabaseConfig) -> None:
    databases = [Database(config) for _ in range(4)]
    await Engagements(databases[0], DAY_S).report([event(f"first {n}", f"v{n}") for n in range(3)])
    reports = [[event(f"e{(start + n) % 60}", f"v{n % 3}") for n in range(6)] for start in range(0, 60, 3)]
    totals = await asyncio.gather(
        *(Engagements(databases[n % 4], DAY_S).report(report[:: (-1) ** n]) for n, report in enumerate(reports))
    )
    assert sum(totals) == 60
    exposures = select(func.sum(video_engagement.c.exposures))
    assert await databases[0].read(lambda connection: connection.execute(exposures).scalar_one()) == 3 + 60
    for database in databases:
        await database.close()


@pytest.mark.parametrize("videos", [1, 10])
async def test_counts_may_be_pruned_while_events_are_added_to_them(config: DatabaseConfig, videos: int) -> None:
    databases, drawn = [Database(config) for _ in range(4)], random.Random(0)
    first, *others = [Engagements(database, DAY_S) for database in databases]
    reported = [
        [event(f"{n} {video}", f"v{video}") for video in drawn.sample(range(2 * videos), videos)] for n in range(40)
    ]
    reports = (others[n % 3].report(events) for n, events in enumerate(reported))
    pruning = (first.prune(NOON, NOON + timedelta(days=1), 15) for _ in reported)
    counts = await asyncio.gather(*(call for pair in zip(reports, pruning, strict=True) for call in pair))
    assert counts[::2] == [videos] * 40
    for database in databases:
        await database.close()


async def test_the_last_clicks_of_a_user_are_listed_from_the_last(database: Database) -> None:
    engagements = Engagements(database, DAY_S)
    clicks = [event(f"e{n}", f"v{n % 3}", "click", hours=n) for n in (2, 0, 3, 1)]
    await engagements.report([*clicks, event("e9", "v9", hours=9), event("e8", "v8", "click", "u2", hours=9)])
    assert await engagements.clicked("u1", 3) == ("v0", "v2", "v1")
    assert await engagements.clicked("u3", 3) == ()


async def test_old_events_and_counts_are_pruned_in_steps(database: Database) -> None:
    engagements = Engagements(database, DAY_S)
    await engagements.report([event(f"e{n}", f"v{n}", "click", hours=n) for n in range(10)])
    events_before, counts_before = NOON + timedelta(hours=7), NOON + timedelta(hours=2)
    removed = [await engagements.prune(events_before, counts_before, 4) for _ in range(3)]
    assert removed == [4 + 2, 3, 0]
    assert await engagements.clicked("u1", 99) == ("v9", "v8", "v7")
    assert [await stored_counts(database, f"v{n}") is not None for n in range(4)] == [False, False, True, True]


@pytest.mark.parametrize("field", ["event_id", "video_id", "user_id"])
def test_a_text_that_cannot_be_stored_is_refused(field: str) -> None:
    with pytest.raises(InvalidRecordError, match=field):
        replace(event("e1"), **{field: "a\0b"})  # type: ignore[arg-type]


def test_an_unknown_kind_and_a_time_without_zone_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind"):
        replace(event("e1"), kind="like")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="time zone"):
        replace(event("e1"), at=NOON.replace(tzinfo=None))
