"""Topic queue: the videos of a topic, without those that few people see or click, by click-through rate.

"Multimodal Topic Learning for Video Recommendation", III-B1: videos below the thresholds of exposures (τ₁) and
click-through rate (τ₂) are deleted, but randomly chosen fresh videos remain, which are 10 % of the queue.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

import numpy as np

from tagging.config.topic_queues import QueuesConfig
from tagging.store.engagement import Engagement
from tagging.store.topic_video import TopicVideo


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A video in a queue, with its engagement at the time of the queue."""

    video_id: str
    engagement: Engagement
    is_fresh: bool  # it remains although few people have seen it


def order_queue(
    videos: Sequence[TopicVideo], at: datetime, config: QueuesConfig, generator: np.random.Generator
) -> tuple[QueueEntry, ...]:
    """Return the queue of a topic at a time, best first; the order of `videos` does not matter.

    Fresh videos, in random order, are spread evenly: each beginning of the queue has their share.
    """
    entries = [entry for video in videos if (entry := entry_of(video, at, config)) is not None]
    entries.sort(key=lambda entry: (-entry.engagement.click_rate, -entry.engagement.exposures, entry.video_id))
    proven = [entry for entry in entries if not entry.is_fresh]
    fresh = sorted((entry for entry in entries if entry.is_fresh), key=lambda entry: entry.video_id)
    count = min(len(fresh), fresh_count(len(proven), config))
    chosen = generator.permutation(len(fresh))[:count].tolist()
    return _spread(proven, [fresh[row] for row in chosen])


def entry_of(video: TopicVideo, at: datetime, config: QueuesConfig) -> QueueEntry | None:
    """Return a video as it may stand in queues at a time; None if it is deleted."""
    engagement = video.engagement.decayed(at, config.half_life_s)
    if engagement.exposures >= config.least_exposures:
        is_clicked = engagement.click_rate >= config.least_click_rate
        return QueueEntry(video.video_id, engagement, is_fresh=False) if is_clicked else None
    is_new = at - video.added_at <= timedelta(days=config.fresh_days)
    return QueueEntry(video.video_id, engagement, is_fresh=True) if is_new else None


def fresh_count(proven: int, config: QueuesConfig) -> int:
    """Return the number of fresh videos next to `proven` others: their share of all, and at least `least_fresh`."""
    return max(config.least_fresh, round(proven * config.fresh_share / (1 - config.fresh_share)))


def _spread(proven: Sequence[QueueEntry], fresh: Sequence[QueueEntry]) -> tuple[QueueEntry, ...]:
    """Return both in their order, the i-th of f fresh videos at the end of the i-th of f equal parts of the queue."""
    total, others = len(proven) + len(fresh), iter(proven)
    queue: list[QueueEntry] = []
    for number, entry in enumerate(fresh, 1):
        queue += islice(others, total * number // len(fresh) - 1 - len(queue))
        queue.append(entry)
    return (*queue, *others)
