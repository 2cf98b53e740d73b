import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.engagements import EngagementEvent, Engagements
from tagging.store.database.topic_queues import PRIME, CountedVideo, Pruned, QueueParts, QueueQuery, TopicQueues
from tagging.store.database.topic_videos import TopicVideos, draw_of
from tagging.store.engagement import Engagement
from tagging.store.topic_video import AssignedVideo, QueueRules
from tests.support.database_records import NOON
from tests.support.topic_rows import CountedRow, StoredVideo, stored_counts, stored_videos, write_counted

pytestmark = pytest.mark.anyio
WEEK_S = 7 * 86_400.0
RULES = QueueRules(NOON, WEEK_S, least_exposures=100, least_click_rate=0.1, fresh_since=NOON - timedelta(days=10))
Parts = tuple[list[CountedVideo], list[CountedVideo]]


def row(video_id: str, exposures: float, clicks: float, days: float = 0, counted_days: float = 0) -> CountedRow:
    """days: since the assignment; counted_days: since the counts"""
    counts = Engagement(exposures, clicks, NOON - timedelta(days=counted_days))
    return CountedRow(video_id, NOON - timedelta(days=days), counts)


def query(topic: int = 1, proven: int = 10_000, fresh: int = 10_000, a: int = 12_345, b: int = 678) -> QueueQuery:
    return QueueQuery(topic, proven, fresh, a, b)


def read(parts: Sequence[QueueParts]) -> list[Parts]:
    return [(list(found.proven), list(found.fresh)) for found in parts]


async def first(database: Database, rules: QueueRules = RULES, **changed: int) -> tuple[list[str], list[str]]:
    """Return the ids of proven and of fresh videos."""
    [(proven, fresh)] = await TopicQueues(database).first([query(**changed)], rules, read)
    return [video.video_id for video in proven], [video.video_id for video in fresh]


def drawn_rows(generator: np.random.Generator, count: int) -> list[CountedRow]:
    rows = []
    for number in generator.permutation(count).tolist():
        exposures = float(generator.choice([0, 3, 50, 100, 150, 200, 400, 1000]))
        clicks = float(generator.choice([0, 1 / 16, 1 / 8, 1 / 4, 1 / 4, 1, 1.5])) * exposures
        days, counted_days = generator.choice([0, 3, 10, 11]), generator.choice([0, 1, 2.5, 9])
        rows.append(row(f"v{number:03}", exposures, clicks, float(days), float(counted_days)))
    return rows


def plainly(rows: Sequence[CountedRow], rules: QueueRules, a: int, b: int) -> tuple[list[str], list[str]]:
    """Return what `first` does, from the counts of every video decayed to the time of the rules."""
    decayed = {video.video_id: video.counts.decayed(rules.at, rules.half_life_s) for video in rows}
    seen = {name for name, counts in decayed.items() if counts.exposures >= rules.least_exposures - 1e-6}
    proven = [name for name in seen if decayed[name].click_rate >= rules.least_click_rate - 1e-12]
    fresh = [row.video_id for row in rows if row.video_id not in seen and row.added_at >= rules.fresh_since]
    proven.sort(key=lambda name: (-round(decayed[name].click_rate, 9), -round(decayed[name].exposures, 6), name))
    return proven, sorted(fresh, key=lambda name: (draw_of(name) * a + b) % PRIME)


async def test_the_first_videos_are_those_of_the_sorted_decayed_counts(database: Database) -> None:
    generator = np.random.default_rng(1)
    rows = drawn_rows(generator, 300)
    await write_counted(database, 1, rows)
    await write_counted(database, 2, [row("other", 1000, 999), row("other fresh", 0, 0)])
    for days in (0, 3, 7, 20):
        rules = replace(RULES, at=NOON + timedelta(days=days), fresh_since=NOON - timedelta(days=3))
        a, b = (int(value) for value in generator.integers(1, PRIME, size=2))
        proven, fresh = plainly(rows, rules, a, b)
        assert await first(database, rules, a=a, b=b) == (proven, fresh)
        assert await first(database, rules, a=a, b=b, proven=20, fresh=5) == (proven[:20], fresh[:5])
        assert await TopicQueues(database).sizes(1, rules) == (len(proven), len(fresh))
    assert min(len(proven), len(fresh)) > 10


async def test_queues_of_several_topics_come_in_the_order_of_the_queries(database: Database) -> None:
    for topic in (1, 2, 3):
        await write_counted(database, topic, [row(f"p{topic}", 200, 100), row(f"f{topic}", 0, 0)])
    found = await TopicQueues(database).first([query(3), query(9), query(1)], RULES, read)
    ids = [([video.video_id for video in proven], [video.video_id for video in fresh]) for proven, fresh in found]
    assert ids == [(["p3"], ["f3"]), ([], []), (["p1"], ["f1"])]
    assert found[0][0] == [CountedVideo("p3", 200, 100, NOON.timestamp())]


async def test_exposures_that_decay_exactly_to_the_threshold_pass_it(database: Database) -> None:
    rows = [row(f"v{weeks}", 100 * 2.0**weeks, 50 * 2.0**weeks, counted_days=7 * weeks) for weeks in range(12)]
    await write_counted(database, 1, [*rows, row("less", 99.9999, 50)])
    proven, fresh = await first(database)
    assert (sorted(proven), fresh) == (sorted(video.video_id for video in rows), ["less"])


async def test_without_thresholds_videos_that_nobody_saw_are_proven(database: Database) -> None:
    await write_counted(database, 1, [row("unseen", 0, 0), row("clicked", 0, 3), row("seen", 5, 1)])
    rules = replace(RULES, least_exposures=0, least_click_rate=0)
    assert await first(database, rules) == (["clicked", "seen", "unseen"], [])


async def test_a_fresh_video_keeps_its_place_in_the_draw_when_others_come_and_go(database: Database) -> None:
    rows = [row(f"v{number}", 0, 0) for number in range(40)]
    await write_counted(database, 1, rows[:20])
    _, before = await first(database)
    await write_counted(database, 1, rows[20:])
    _, after = await first(database)
    assert [video_id for video_id in after if video_id in before] == before
    assert after[:20] != before


async def test_every_fresh_video_is_drawn_as_often_as_another(database: Database) -> None:
    await write_counted(database, 1, [row(f"v{number}", 0, 0) for number in range(4)])
    generator, drawn = np.random.default_rng(1), Counter[str]()
    queries = [query(1, 0, 1, *map(int, generator.integers(1, PRIME, size=2))) for _ in range(400)]
    for _, [video] in await TopicQueues(database).first(queries, RULES, read):
        drawn[video.video_id] += 1
    assert all(60 <= drawn[f"v{number}"] <= 140 for number in range(4))  # 100 ± 4.6 standard deviations


async def test_entering_reporting_and_pruning_keep_the_counts_of_every_topic(database: Database) -> None:
    videos, engagements = TopicVideos(database), Engagements(database, WEEK_S)
    await engagements.report([EngagementEvent("e0", "early", "", "exposure", NOON)])
    await videos.put([AssignedVideo("early", ((1, 0.5), (2, 0.4))), AssignedVideo("late", ((1, 0.5),))], NOON)
    await engagements.report(
        [EngagementEvent("e1", "late", "", "click", NOON), EngagementEvent("e2", "early", "", "click", NOON)]
    )
    counts = {(video.video_id, video.exposures, video.clicks) for video in await stored_videos(database, 1)}
    assert counts == {("early", 1, 1), ("late", 0, 1)}
    assert {(video.exposures, video.clicks) for video in await stored_videos(database, 2)} == {(1, 1)}
    rules = replace(RULES, least_exposures=0)
    assert (await first(database, rules))[0] == ["early", "late"]
    await videos.put([AssignedVideo("early", ((3, 0.5),))], NOON)
    assert (await first(database, rules, topic=3))[0] == ["early"]
    await engagements.prune(NOON, NOON + timedelta(days=1), 10)
    assert await first(database, rules, topic=3) == await first(database, rules, topic=1) == ([], [])


async def test_pruning_removes_videos_that_are_neither_proven_nor_fresh_page_by_page(database: Database) -> None:
    rows = [row("a proven", 200, 100, 11), row("b seen", 200, 1, 11), row("c old", 1, 1, 11), row("d fresh", 1, 1)]
    for topic in (1, 2):
        await write_counted(database, topic, [*rows, row("e seen", 200, 1, 5)])
    queues, before = TopicQueues(database), NOON - timedelta(days=4)
    assert await queues.prune(RULES, before, "", 2) == Pruned("b seen", 1)
    assert await queues.prune(RULES, before, "b seen", 2) == Pruned("e seen", 2)
    assert await queues.prune(RULES, before, "e seen", 2) is None
    assert {video.video_id for video in await stored_videos(database, 2)} == {"a proven", "d fresh"}


async def test_queues_follow_all_events_while_several_services_report_enter_list_and_prune(
    config: DatabaseConfig,
) -> None:
    drawn, databases = random.Random(0), [Database(config) for _ in range(4)]
    names = [f"v{number}" for number in range(12)]
    rules = replace(RULES, least_exposures=2, fresh_since=NOON + timedelta(days=1))  # none is fresh
    events = [
        EngagementEvent(f"e{n}", drawn.choice(names), "u", drawn.choice(("exposure", "click")), NOON)
        for n in range(240)
    ]

    def enter(database: Database, _: int) -> Awaitable[object]:
        chosen = drawn.sample(names, 6)
        topics = tuple((topic, 0.5) for topic in drawn.sample((1, 2, 3), 2))
        return TopicVideos(database).put([AssignedVideo(name, topics) for name in chosen], NOON)

    def report(database: Database, number: int) -> Awaitable[object]:
        return Engagements(database, WEEK_S).report(events[6 * number : 6 * number + 6])

    async def list_queue(database: Database, _: int) -> None:
        [(proven, _fresh)] = await TopicQueues(database).first([query(drawn.choice((1, 2, 3)))], rules, read)
        rates = [Engagement(video.exposures, video.clicks, NOON).click_rate for video in proven]
        assert rates == sorted(rates, reverse=True)
        assert all(video.exposures >= 2 for video in proven)

    def prune(database: Database, _: int) -> Awaitable[object]:
        return TopicQueues(database).prune(rules, NOON + timedelta(days=1), "", 5)

    calls = [call(databases[n % 4], n) for n in range(40) for call in (enter, report, list_queue, prune)]
    drawn.shuffle(calls)
    await asyncio.gather(*calls)
    await TopicVideos(databases[0]).put([AssignedVideo(name, ((1, 0.5),)) for name in names], NOON)
    await Engagements(databases[1], WEEK_S).report(events)  # each was counted before
    wanted = {
        StoredVideo(
            name,
            NOON,
            sum(event.kind == "exposure" for event in events if event.video_id == name),
            sum(event.kind == "click" for event in events if event.video_id == name),
        )
        for name in names
    }
    assert await stored_videos(databases[2], 1) == wanted
    for name in names:
        counts = await stored_counts(databases[3], name)
        assert counts is not None
        assert StoredVideo(name, NOON, counts.exposures, counts.clicks) in wanted
    for database in databases:
        await database.close()
