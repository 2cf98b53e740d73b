"""Topic queue: the videos of a topic, without those that few people see or click, by click-through rate.

"Multimodal Topic Learning for Video Recommendation", III-B1: videos below the thresholds of exposures (τ₁) and
click-through rate (τ₂) are deleted, but randomly chosen fresh videos remain, which are 10 % of the queue.

The database orders both kinds (store/database/topic_queues.py); here they become one queue, whose first entries do not
depend on the others.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice

import numpy as np

from tagging.config.topic_queues import QueuesConfig
from tagging.store.database.topic_queues import PRIME, CountedVideo, QueueParts, QueueQuery
from tagging.store.engagement import Engagement
from tagging.store.topic_video import QueueRules


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A video in a queue, with its engagement at the time of the queue."""

    video_id: str
    engagement: Engagement
    is_fresh: bool  # it remains although few people have seen it


def rules_at(at: datetime, config: QueuesConfig) -> QueueRules:
    """Return what is in queues at a time."""
    fresh_since = at - timedelta(days=config.fresh_days)
    return QueueRules(at, config.half_life_s, config.least_exposures, config.least_click_rate, fresh_since)


def query_of(topic: int, generator: np.random.Generator, most: int, config: QueuesConfig) -> QueueQuery:
    """Return the query of the first `most` entries of a queue; the generator draws its fresh videos."""
    multiplier, offset = int(generator.integers(1, PRIME)), int(generator.integers(PRIME))
    return QueueQuery(topic, most, min(most, fresh_count(most, config)), multiplier, offset)


def entries_of(parts: QueueParts, at: datetime, config: QueuesConfig) -> Iterator[QueueEntry]:
    """Yield the entries of a queue at a time, best first.

    Every beginning has the share of fresh videos, as long as there are any: with a tenth, every tenth is fresh. Where
    the others end, the rest of the fresh videos follow.
    """
    proven = (_entry(video, at, config.half_life_s, is_fresh=False) for video in parts.proven)
    fresh = (_entry(video, at, config.half_life_s, is_fresh=True) for video in parts.fresh)
    return _interleaved(proven, fresh, config)


def fresh_count(proven: int, config: QueuesConfig) -> int:
    """Return the number of fresh videos next to `proven` others: their share of all, and at least `least_fresh`."""
    return max(config.least_fresh, round(proven * config.fresh_share / (1 - config.fresh_share)))


def _interleaved(
    proven: Iterable[QueueEntry], fresh: Iterator[QueueEntry], config: QueuesConfig
) -> Iterator[QueueEntry]:
    others = drawn = 0
    next_fresh = next(fresh, None)
    for entry in proven:
        while next_fresh is not None and drawn + 1 <= (others + drawn + 1) * config.fresh_share + _ROUNDING:
            yield next_fresh
            drawn += 1
            next_fresh = next(fresh, None)
        yield entry
        others += 1
    if next_fresh is not None:
        yield from islice(chain((next_fresh,), fresh), fresh_count(others, config) - drawn)


_ROUNDING = 1e-9  # of a share times a position: 0.7 · 10 < 7


def _entry(video: CountedVideo, at: datetime, half_life_s: float, *, is_fresh: bool) -> QueueEntry:
    age_s = max(0.0, at.timestamp() - video.counted_s)  # from 0: a clock that goes back makes no count grow
    factor = 2.0 ** (-age_s / half_life_s)
    return QueueEntry(video.video_id, Engagement(video.exposures * factor, video.clicks * factor, at), is_fresh)
