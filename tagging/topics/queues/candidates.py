"""Candidate generation from topic queues: videos of the topics that a user clicked most.

"Multimodal Topic Learning for Video Recommendation", III-B1: the topics of the user's last N₁ clicks are counted, and
the queues of the N₂ most frequent give N₃ candidates. The paper does not say how many each queue gives; here the
share of a topic is its share of the counts (Sainte-Laguë method: next is the largest count / (2 taken + 1)).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from tagging.topics.queues.queue import QueueEntry


@dataclass(frozen=True, slots=True)
class PreferredTopic:
    """A topic and the number of recent clicks on its videos."""

    topic: int  # id
    clicks: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A video for the ranking stage, and the topic whose queue it is from."""

    entry: QueueEntry
    topic: int  # id


def preferred_topics(clicked: Sequence[Sequence[int]], most: int) -> tuple[PreferredTopic, ...]:
    """Return the `most` topics with the most clicks, best first; equal ones in the order of their last click.

    clicked: topics of each clicked video, the last click first
    """
    counts = Counter(topic for topics in clicked for topic in dict.fromkeys(topics))
    return tuple(PreferredTopic(topic, count) for topic, count in counts.most_common(most))


def choose_candidates(
    preferred: Sequence[PreferredTopic], queues: Mapping[int, Iterable[QueueEntry]], most: int, clicked: Set[str]
) -> tuple[Candidate, ...]:
    """Return at most `most` videos, each once; those that the user has clicked are left out.

    queues: by topic, best first; a topic may lack one
    """
    remaining = {topic.topic: iter(queues.get(topic.topic, ())) for topic in preferred}
    clicks = {topic.topic: topic.clicks for topic in preferred}
    taken, used = Counter[int](), set(clicked)
    candidates: list[Candidate] = []
    while remaining and len(candidates) < most:
        topic = max(remaining, key=lambda topic: clicks[topic] / (2 * taken[topic] + 1))
        entry = next((entry for entry in remaining[topic] if entry.video_id not in used), None)
        if entry is None:
            del remaining[topic]
            continue
        candidates.append(Candidate(entry, topic))
        used.add(entry.video_id)
        taken[topic] += 1
    return tuple(candidates)
