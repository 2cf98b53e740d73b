from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest

from tagging.config.topic_queues import QueuesConfig
from tagging.store.engagement import Engagement
from tagging.store.topic_video import TopicVideo
from tagging.topics.queues.queue import QueueEntry, fresh_count, order_queue
from tests.support.clocks import NOW

CONFIG = QueuesConfig(least_exposures=100, least_click_rate=0.1, least_fresh=0, half_life_days=7, fresh_days=10)


def video(video_id: str, exposures: float, clicks: float, days: float = 0, counted_days: float = 0) -> TopicVideo:
    """days: since the assignment; counted_days: since the counts"""
    counts = Engagement(exposures, clicks, NOW - timedelta(days=counted_days))
    return TopicVideo(video_id, NOW - timedelta(days=days), counts)


def queue_of(videos: Sequence[TopicVideo], config: QueuesConfig = CONFIG, seed: int = 0) -> tuple[QueueEntry, ...]:
    return order_queue(videos, NOW, config, np.random.default_rng(seed))


def ids(queue: Sequence[QueueEntry]) -> list[str]:
    return [entry.video_id for entry in queue]


def proven(count: int) -> list[TopicVideo]:
    return [video(f"p{n:03}", 1000, 999 - n) for n in range(count)]


def test_videos_are_ordered_by_click_rate_then_exposures_then_id() -> None:
    videos = [video("c", 200, 40), video("b", 100, 20), video("a", 100, 20), video("top", 100, 50)]
    assert ids(queue_of(videos)) == ["top", "c", "a", "b"]


def test_videos_below_either_threshold_are_deleted() -> None:
    videos = [video("seen", 99.9, 99, days=11), video("clicked", 100, 9.9), video("kept", 100, 10)]
    assert ids(queue_of(videos)) == ["kept"]


def test_the_thresholds_apply_to_decayed_counts() -> None:
    assert ids(queue_of([video("a", 200, 20, counted_days=7), video("b", 199, 20, days=30, counted_days=7)])) == ["a"]


@pytest.mark.parametrize(("others", "count"), [(9, 1), (90, 10), (900, 100), (4, 0), (0, 0)])
def test_fresh_videos_are_a_tenth_of_the_queue(others: int, count: int) -> None:
    assert fresh_count(others, CONFIG) == count
    queue = queue_of([*proven(others), *(video(f"f{n}", 1, 0) for n in range(200))])
    assert sum(entry.is_fresh for entry in queue) == count
    assert len(queue) == others + count


def test_a_queue_without_proven_videos_has_a_few_fresh_ones() -> None:
    few = CONFIG.model_copy(update={"least_fresh": 3})
    assert len(queue_of([video(f"f{n}", 0, 0) for n in range(10)], few)) == 3
    assert len(queue_of([video("f", 0, 0)], few)) == 1


def test_only_new_assignments_are_fresh() -> None:
    few = CONFIG.model_copy(update={"least_fresh": 3})
    assert ids(queue_of([video("new", 0, 0, days=10), video("old", 0, 0, days=10.1)], few)) == ["new"]


def test_every_beginning_of_a_queue_has_the_share_of_fresh_videos() -> None:
    queue = queue_of([*proven(95), *(video(f"f{n}", 1, 0) for n in range(200))])
    fresh = np.cumsum([entry.is_fresh for entry in queue])
    shares = fresh / np.arange(1, len(queue) + 1)
    assert abs(fresh - 0.1 * np.arange(1, len(queue) + 1)).max() <= 1
    assert shares[-1] == pytest.approx(0.1, abs=0.01)
    assert [entry.video_id for entry in queue if not entry.is_fresh] == [f"p{n:03}" for n in range(95)]


def test_fresh_videos_are_drawn_by_the_generator_and_not_by_the_order_of_the_videos() -> None:
    videos = [*proven(45), *(video(f"f{n}", 1, 0) for n in range(50))]
    drawn = ids(queue_of(videos))
    assert ids(queue_of(videos[::-1])) == drawn
    others = [ids(queue_of(videos, seed=seed)) for seed in range(1, 4)]
    assert any(other != drawn for other in others)


def test_every_fresh_video_is_drawn_as_often_as_another() -> None:
    videos = [*proven(9), *(video(f"f{n}", 1, 0) for n in range(4))]
    drawn = [next(entry.video_id for entry in queue_of(videos, seed=seed) if entry.is_fresh) for seed in range(400)]
    assert all(60 <= drawn.count(f"f{n}") <= 140 for n in range(4))  # 100 ± 4.6 standard deviations


def test_an_entry_states_the_decayed_counts() -> None:
    [entry] = queue_of([video("a", 400, 100, counted_days=7)])
    assert (entry.engagement.exposures, entry.engagement.clicks) == pytest.approx((200, 50))
    assert entry.engagement.at == NOW


def test_the_last_of_ten_videos_is_fresh() -> None:
    queue = queue_of([*proven(18), *(video(f"f{n}", 1, 0) for n in range(9))])
    assert [number for number, entry in enumerate(queue, 1) if entry.is_fresh] == [10, 20]
