"""Queries of topic queues: the videos of a topic in order, those drawn at random, and those that no queue needs.

Exponential decay multiplies the exposures and clicks of a video alike. So its click-through rate is constant between
two events, and an index orders a topic by it; the logarithm of its exposures falls by 1 in each half-life, so that no
stored value has to be updated for a threshold ("Forward Decay", Cormode et al. 2009, section III).

Random draws order videos by (a · draw + b) mod p, with a and b of the caller and the stored draw of each video
("Universal Classes of Hash Functions", Carter and Wegman 1979). Videos that come or go do not change the order of the
others.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import BigInteger, Connection, Double, and_, bindparam, delete, func, not_, select

from tagging.store.database.database import Database
from tagging.store.database.schema import UtcTime, topic_videos
from tagging.store.database.video_counts import lock_counts
from tagging.store.topic_video import QueueRules

T = TypeVar("T")

PRIME = 2**31 - 1
ROUNDING = 1e-9  # of logarithms: exposures that are exactly at the threshold pass it


class CountedVideo(NamedTuple):
    """A video and its counts."""

    video_id: str
    exposures: float  # decayed to the time of the counts
    clicks: float
    counted_s: float  # the time, in seconds of Unix time


@dataclass(frozen=True, slots=True)
class QueueQuery:
    """The first videos of a topic."""

    topic: int
    proven: int  # most videos of each part
    fresh: int
    multiplier: int  # of the draw of fresh videos, in [1, PRIME - 1]
    offset: int  # in [0, PRIME - 1]


@dataclass(frozen=True, slots=True)
class QueueParts:
    """The first videos of a topic, those above both thresholds and those with too few exposures to be judged."""

    proven: Iterator[CountedVideo]  # by click-through rate, then exposures, then id
    fresh: Iterator[CountedVideo]  # in the order of the draw


@dataclass(frozen=True, slots=True)
class Pruned:
    """The result of a step of pruning."""

    last: str  # id of the last video that was looked at
    removed: int


class TopicQueues:
    """The queues. Each method also raises what Database raises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def first(
        self, queries: Sequence[QueueQuery], rules: QueueRules, use: Callable[[Sequence[QueueParts]], T]
    ) -> T:
        """Return what `use` makes of the first videos of each query, which it may read only until it returns.

        SQLite computes no more of them than are read.
        """

        def work(connection: Connection) -> T:
            with ExitStack() as results:
                return use([_parts(connection, query, rules, results) for query in queries])

        return await self._database.read(work)

    async def sizes(self, topic: int, rules: QueueRules) -> tuple[int, int]:
        """Return the number of all proven and of all fresh videos of a topic."""
        values = {"topic": topic, **_values(rules)}

        def work(connection: Connection) -> tuple[int, int]:
            proven, fresh = connection.execute(_SIZES, values).one()
            return proven, fresh

        return await self._database.read(work)

    async def prune(self, rules: QueueRules, added_before: datetime, after: str, limit: int) -> Pruned | None:
        """Remove the videos that are neither proven nor fresh among `limit` that were added before a time.

        after: an id; the videos that follow it are looked at, in the order of their ids
        Returns None at the end.
        """
        values = _values(rules)
        videos = {"added_before": added_before, "after": after, "limit": limit}
        page = await self._database.read(lambda connection: connection.execute(_PAGE, {**values, **videos}).all())
        if not page:
            return None
        deleted = sorted({video_id for video_id, is_deleted in page if is_deleted})
        if not deleted:  # the usual case, without a write lock
            return Pruned(page[-1].video_id, 0)
        still_deleted = delete(topic_videos).where(topic_videos.c.video_id.in_(deleted), _DELETED)

        def work(connection: Connection) -> int:
            lock_counts(connection, dict.fromkeys(deleted, rules.at))
            removed = connection.execute(still_deleted.returning(topic_videos.c.video_id), values).scalars()
            return len(set(removed))

        return Pruned(page[-1].video_id, await self._database.write(work))


# Built once: building a statement takes longer than SQLite needs to execute it.
_C = topic_videos.c
_DECAY = (_C.counted_s - bindparam("at_s", type_=Double)) / bindparam("half_life_s", type_=Double)  # in half-lives
_SEEN = _C.log2_exposures + _DECAY >= bindparam("least_log2", type_=Double)
_PROVEN = and_(_SEEN, _C.click_rate >= bindparam("least_click_rate", type_=Double))
_FRESH = and_(not_(_SEEN), _C.added_at >= bindparam("fresh_since", type_=UtcTime))
_DELETED = and_(not_(_PROVEN), not_(_FRESH))
_OF_TOPIC = _C.topic_id == bindparam("topic", type_=BigInteger)
_DRAWN = (_C.draw * bindparam("multiplier", type_=BigInteger) + bindparam("offset", type_=BigInteger)) % PRIME
_COUNTED = (
    select(_C.video_id, _C.exposures, _C.clicks, _C.counted_s)
    .where(_OF_TOPIC)
    .limit(bindparam("most", type_=BigInteger))
)
_FIRST_PROVEN = _COUNTED.where(_PROVEN).order_by(_C.click_rate.desc(), (_C.log2_exposures + _DECAY).desc(), _C.video_id)
_FIRST_FRESH = _COUNTED.where(_FRESH).order_by(_DRAWN, _C.video_id)
_SIZES = select(func.count().filter(_PROVEN), func.count().filter(_FRESH)).where(_OF_TOPIC)
_PAGE = (
    select(_C.video_id, _DELETED)
    .where(_C.added_at < bindparam("added_before", type_=UtcTime), _C.video_id > bindparam("after"))
    .distinct()
    .order_by(_C.video_id)
    .limit(bindparam("limit", type_=BigInteger))
)


def _parts(connection: Connection, query: QueueQuery, rules: QueueRules, results: ExitStack) -> QueueParts:
    values = {"topic": query.topic, **_values(rules)}
    drawn = {"multiplier": query.multiplier, "offset": query.offset, "most": query.fresh}
    proven = results.enter_context(connection.execute(_FIRST_PROVEN, {**values, "most": query.proven}))
    fresh = results.enter_context(connection.execute(_FIRST_FRESH, {**values, **drawn}))
    return QueueParts(map(CountedVideo._make, proven), map(CountedVideo._make, fresh))


def _values(rules: QueueRules) -> dict[str, Any]:
    return {
        "at_s": rules.at.timestamp(),
        "half_life_s": rules.half_life_s,
        "least_log2": math.log2(rules.least_exposures) - ROUNDING if rules.least_exposures else -math.inf,
        "least_click_rate": rules.least_click_rate,
        "fresh_since": rules.fresh_since,
    }
