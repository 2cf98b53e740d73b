from collections import Counter

import numpy as np

from tagging.store.engagement import Engagement
from tagging.topics.queues.candidates import PreferredTopic, choose_candidates, preferred_topics
from tagging.topics.queues.queue import QueueEntry
from tests.support.clocks import NOW


def queue(*video_ids: str) -> list[QueueEntry]:
    return [QueueEntry(video_id, Engagement(1, 1, NOW), is_fresh=False) for video_id in video_ids]


def test_topics_are_preferred_by_clicks_then_by_the_last_click() -> None:
    clicked = [[3], [1, 2], [2], [1], [4]]
    assert preferred_topics(clicked, 3) == (PreferredTopic(1, 2), PreferredTopic(2, 2), PreferredTopic(3, 1))
    assert preferred_topics(clicked, 99)[3:] == (PreferredTopic(4, 1),)
    assert preferred_topics([], 3) == ()


def test_a_video_counts_once_for_a_topic() -> None:
    assert preferred_topics([[1, 1, 1], [2], [2]], 1) == (PreferredTopic(2, 2),)


def test_candidates_are_shared_by_clicks_and_follow_the_order_of_the_queues() -> None:
    queues = {topic: queue(*(f"{topic}-{n}" for n in range(30))) for topic in (1, 2, 3)}
    preferred = [PreferredTopic(1, 6), PreferredTopic(2, 3), PreferredTopic(3, 1)]
    chosen = choose_candidates(preferred, queues, 20, frozenset())
    assert Counter(candidate.topic for candidate in chosen) == {1: 12, 2: 6, 3: 2}
    for topic, count in ((1, 12), (2, 6), (3, 2)):
        found = [candidate.entry.video_id for candidate in chosen if candidate.topic == topic]
        assert found == [f"{topic}-{n}" for n in range(count)]
    assert chosen[0].entry.video_id == "1-0"


def test_a_video_is_a_candidate_once_and_never_if_it_was_clicked() -> None:
    queues = {1: queue("a", "b", "c"), 2: queue("b", "a", "d")}
    chosen = choose_candidates([PreferredTopic(1, 1), PreferredTopic(2, 1)], queues, 9, frozenset({"c"}))
    assert [candidate.entry.video_id for candidate in chosen] == ["a", "b", "d"]


def test_a_short_or_missing_queue_is_made_up_for_by_the_others() -> None:
    queues = {1: queue("a"), 2: queue(*(f"b{n}" for n in range(9)))}
    preferred = [PreferredTopic(1, 100), PreferredTopic(2, 1), PreferredTopic(3, 50)]
    chosen = choose_candidates(preferred, queues, 5, frozenset())
    assert [candidate.entry.video_id for candidate in chosen] == ["a", "b0", "b1", "b2", "b3"]


def test_shares_are_within_a_video_of_the_shares_of_the_clicks() -> None:
    generator = np.random.default_rng(1)
    for _ in range(50):
        clicks = generator.integers(1, 30, size=4).tolist()
        queues = {topic: queue(*(f"{topic}-{n}" for n in range(300))) for topic in range(4)}
        preferred = [PreferredTopic(topic, count) for topic, count in enumerate(clicks)]
        most = int(generator.integers(1, 200))
        found = Counter(candidate.topic for candidate in choose_candidates(preferred, queues, most, frozenset()))
        assert found.total() == most
        for topic, count in enumerate(clicks):
            assert abs(found[topic] - most * count / sum(clicks)) < 1.5


def test_the_next_video_is_of_the_topic_with_the_largest_remaining_quotient() -> None:
    queues = {1: queue("a0", "a1"), 2: queue("b0", "b1")}
    chosen = choose_candidates([PreferredTopic(1, 5), PreferredTopic(2, 2)], queues, 3, frozenset())
    assert [candidate.entry.video_id for candidate in chosen] == ["a0", "b0", "a1"]  # 5, 2, 5 / 3
