"""Topics against what users watch: how often the next video of a user has the topic of the one before it.

Each video has the nearest topic. The rate is divided by that of pairs drawn from the same first and the same next
videos independently, so that it does not grow with large topics. Neither users nor their histories are an input of the
topics. The tags that `least_cohesion` leaves out are kept in a second model of the same seed, and pairs in which a
video has such a tag are measured apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagging.config.random_streams import Stream
from tagging.config.topics import TopicsConfig
from tagging.progress import Progress
from tagging.ragged import Ragged
from tagging.text.normalise import normalise
from tagging.tools.benchmarks.review import mean_and_spread
from tagging.topics.clusters import fit_centres, nearest_centres, topic_count
from tagging.topics.pool import Pool
from tagging.topics.space import LearntSpace, learn_space
from tagging.types import Indices


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """Pairs of videos, rows of the pool, that users watched one after the other."""

    before: Indices  # (pairs,)
    after: Indices  # (pairs,)

    @classmethod
    def of(cls, histories: Ragged) -> "Watched":
        """Return the pairs of neighbours in the lists of rows that users watched in order."""
        users = np.repeat(np.arange(len(histories)), np.diff(histories.starts))
        same = users[:-1] == users[1:]
        return cls(histories.values[:-1][same], histories.values[1:][same])

    def only(self, kept: NDArray[np.bool_]) -> "Watched":
        return Watched(self.before[kept], self.after[kept])


def watched_benchmark(
    pool: Pool, watched: Watched, seeds: Sequence[int], config: TopicsConfig, progress: Progress
) -> dict[str, list[dict[str, Any]]]:
    """Return the table: for all tags and for those that say something, the lift of all pairs and of those concerned."""
    found: dict[str, dict[str, list[float]]] = {"tags that say something": {}, "every tag": {}}
    for seed in seeds:
        seeded = config.model_copy(update={"seed": seed})
        learnt = learn_space(pool, seeded, progress)
        every = learn_space(pool, seeded.model_copy(update={"least_cohesion": 0.0}), progress)
        concerned = _videos_with(pool, learnt.left_out)
        parts = {
            "all pairs": watched,
            "pairs with a tag that says nothing": watched.only(concerned[watched.before] | concerned[watched.after]),
        }
        for name, space in zip(found, (learnt, every), strict=True):
            topics = _nearest(space, seed)
            for part, pairs in parts.items():
                found[name].setdefault(part, []).append(lift(topics, pairs))
            found[name].setdefault("tags left out", []).append(float(len(space.left_out)))
    return {
        f"Lift of the topic of the next video, {len(watched.before):,} pairs": [
            {"topics by": name, **{part: mean_and_spread(values) for part, values in parts.items()}}
            for name, parts in found.items()
        ]
    }


def lift(topics: Indices, watched: Watched) -> float:
    """Return how much more often two videos of a pair have one topic than if pairs were independent.

    topics: (V,) of each video, -1 for none, which is no topic in common; NaN without a pair that could have one
    """
    known = watched.only((topics[watched.before] >= 0) & (topics[watched.after] >= 0))
    first, second = topics[known.before], topics[known.after]
    count = int(topics.max(initial=-1)) + 1
    chance = float(np.bincount(first, minlength=count) @ np.bincount(second, minlength=count))
    return float((first == second).sum()) * len(first) / chance if chance else float("nan")


def _nearest(space: LearntSpace, seed: int) -> Indices:
    rows = space.rows
    generator = np.random.default_rng([seed, Stream.TOPIC_CLUSTERS])
    nearest, _ = nearest_centres(rows, fit_centres(rows, topic_count(int(rows.known.sum())), generator))
    return np.asarray(np.where(rows.known, nearest, -1), np.int64)


def _videos_with(pool: Pool, names: Sequence[str]) -> NDArray[np.bool_]:
    spellings = {normalise(name) for name in names}
    return np.array([any(normalise(tag) in spellings for tag in tags) for tags in pool.tags], np.bool_)
