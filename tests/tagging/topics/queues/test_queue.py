from collections.abc import Sequence
from datetime import timedelta
from itertools import islice

import numpy as np
import pytest

from tagging.config.topic_queues import QueuesConfig
from tagging.store.database.topic_queues import PRIME, CountedVideo, QueueParts
from tagging.topics.queues.queue import QueueEntry, entries_of, fresh_count, query_of, rules_at
from tests.support.clocks import NOW

CONFIG = QueuesConfig(least_exposures=100, least_click_rate=0.1, least_fresh=0, half_life_days=7, fresh_days=10)


def counted(kind: str, count: int, exposures: float = 1000, clicks: float = 900, days: float = 0) -> list[CountedVideo]:
    """days: since the counts"""
    at = (NOW - timedelta(days=days)).timestamp()
    return [CountedVideo(f"{kind}{number}", exposures, clicks, at) for number in range(count)]


def queue_of(proven: int, fresh: int, config: QueuesConfig = CONFIG) -> list[QueueEntry]:
    return [*entries_of(QueueParts(iter(counted("p", proven)), iter(counted("f", fresh))), NOW, config)]


def kinds(queue: Sequence[QueueEntry]) -> str:
    return "".join("f" if entry.is_fresh else "p" for entry in queue)


def test_both_kinds_keep_their_order() -> None:
    queue = queue_of(95, 200)
    assert [entry.video_id for entry in queue if not entry.is_fresh] == [f"p{number}" for number in range(95)]
    assert [entry.video_id for entry in queue if entry.is_fresh] == [f"f{number}" for number in range(11)]


@pytest.mark.parametrize(("others", "count"), [(9, 1), (90, 10), (900, 100), (4, 0), (0, 0)])
def test_fresh_videos_are_a_tenth_of_the_queue(others: int, count: int) -> None:
    assert fresh_count(others, CONFIG) == count
    assert sorted(kinds(queue_of(others, 200))) == ["f"] * count + ["p"] * others


def test_a_queue_without_proven_videos_has_a_few_fresh_ones() -> None:
    few = CONFIG.model_copy(update={"least_fresh": 3})
    assert kinds(queue_of(0, 10, few)) == "fff"
    assert kinds(queue_of(0, 1, few)) == "f"
    assert kinds(queue_of(2, 10, few)) == "ppfff"


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.3, 0.5, 0.7, 0.99])
def test_every_beginning_of_a_queue_has_the_share_of_fresh_videos(share: float) -> None:
    config = CONFIG.model_copy(update={"fresh_share": share})
    fresh = np.cumsum([entry.is_fresh for entry in queue_of(95, 10_000, config)])
    position = np.arange(1, len(fresh) + 1)
    assert np.abs(fresh - share * position).max() <= 1
    assert fresh[-1] / len(fresh) == pytest.approx(share, abs=0.01)


def test_with_a_tenth_the_last_of_ten_videos_is_fresh_until_there_are_no_more() -> None:
    fresh = [number for number, kind in enumerate(kinds(queue_of(50, 3)), 1) if kind == "f"]
    assert fresh == [10, 20, 30]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.7])
@pytest.mark.parametrize(("proven", "fresh"), [(0, 50), (5, 50), (30, 2), (200, 50), (200, 0)])
def test_a_query_of_the_first_entries_gives_the_beginning_of_the_whole_queue(
    proven: int, fresh: int, share: float
) -> None:
    config = CONFIG.model_copy(update={"least_fresh": 10, "fresh_share": share})
    whole = queue_of(proven, fresh, config)
    for most in (1, 9, 10, 25, 150):
        query = query_of(1, np.random.default_rng(0), most, config)
        parts = QueueParts(iter(counted("p", proven)[: query.proven]), iter(counted("f", fresh)[: query.fresh]))
        assert [*islice(entries_of(parts, NOW, config), most)] == whole[:most]


def test_queries_are_drawn_by_the_generator() -> None:
    drawn = [query_of(1, np.random.default_rng(seed), 10, CONFIG) for seed in range(100)]
    assert drawn[0] == query_of(1, np.random.default_rng(0), 10, CONFIG)
    assert len({(query.multiplier, query.offset) for query in drawn}) == 100
    assert all(0 < query.multiplier < PRIME and 0 <= query.offset < PRIME for query in drawn)


def test_an_entry_states_the_decayed_counts() -> None:
    [entry] = entries_of(QueueParts(iter(counted("p", 1, 400, 100, days=7)), iter(())), NOW, CONFIG)
    assert (entry.engagement.exposures, entry.engagement.clicks) == pytest.approx((200, 50))
    assert (entry.engagement.at, entry.is_fresh) == (NOW, False)


def test_counts_of_long_ago_are_no_error() -> None:
    hasty = CONFIG.model_copy(update={"half_life_days": 0.01})
    parts = QueueParts(iter(counted("p", 1, days=3650)), iter(counted("f", 1, 0, 0, days=20_000)))
    [entry] = entries_of(parts, NOW, hasty)
    assert entry.engagement.exposures == 0


@pytest.mark.parametrize("days", [1, 3650])
def test_counts_of_a_clock_that_was_ahead_do_not_grow(days: float) -> None:
    hasty = CONFIG.model_copy(update={"half_life_days": 0.01})
    [entry] = entries_of(QueueParts(iter(counted("p", 1, 400, 100, days=-days)), iter(())), NOW, hasty)
    assert (entry.engagement.exposures, entry.engagement.clicks) == (400, 100)


def test_the_rules_are_those_of_the_configuration() -> None:
    rules = rules_at(NOW, CONFIG)
    assert (rules.least_exposures, rules.least_click_rate, rules.half_life_s) == (100, 0.1, 7 * 86_400)
    assert rules.fresh_since == NOW - timedelta(days=10)
