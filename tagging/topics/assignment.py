"""Assignment of videos to topics: every topic whose cosine reaches the threshold τ₃, so a video may have none.

The paper states τ₃ = 0.6 and about 4 topics a video. Cosines depend on the pool, so here the second is the rule, and
the threshold follows. Videos with content alone, with tags alone and with both have thresholds of their own: cosines
over one half are larger than over two.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.ragged import Ragged, starts_of
from tagging.topics.representation import HALVES, TopicRows, similarities
from tagging.types import FloatRows

SAMPLE, LEAST_SAMPLE = 5000, 200  # videos that a threshold is calibrated on
VIDEOS_AT_ONCE = 4096
MOST_SHARE = 0.25  # of all topics, that a video has on average
SETS = {"+".join(HALVES): (True, True), HALVES[0]: (True, False), HALVES[1]: (False, True)}


@dataclass(frozen=True, slots=True, eq=False)
class Assignments:
    """The topics of V videos, best first."""

    topics: Ragged  # V lists of rows of topics
    similarities: FloatRows  # (pairs,) cosine in [-1, 1], in their order

    def __len__(self) -> int:
        return len(self.topics)

    def at(self, video: int) -> list[tuple[int, float]]:
        """Return the row and the similarity of each topic of a video."""
        span = slice(self.topics.starts[video], self.topics.starts[video + 1])
        return list(zip(self.topics.values[span].tolist(), self.similarities[span].tolist(), strict=True))


def calibrate(
    rows: TopicRows, centres: FloatRows, topics_a_video: float, generator: np.random.Generator
) -> dict[str, float]:
    """Return the threshold for each set of halves at which a video has `topics_a_video` topics on average.

    rows: the pool. Where few of its videos have one half alone, those with both are measured without the other. The
        mean is at most a quarter of all topics, as few topics leave little to choose from.
    """
    mean = max(1.0, min(topics_a_video, MOST_SHARE * len(centres)))
    thresholds = {}
    for name, halves in SETS.items():
        measured = np.flatnonzero((rows.present == halves).all(axis=1))
        missing = [half for half, present in enumerate(halves) if not present]
        if len(measured) < LEAST_SAMPLE and rows.complete.sum() > len(measured):
            measured = np.flatnonzero(rows.complete)
        sample = rows.only(np.sort(generator.permutation(measured)[:SAMPLE]))
        for half in missing:
            sample = sample.without(half)
        thresholds[name] = _threshold(sample, centres, mean)
    return thresholds


def _threshold(rows: TopicRows, centres: FloatRows, mean: float) -> float:
    """Return the similarity that `mean` topics of a video reach on average; 1 without a video."""
    if not len(rows):
        return 1.0
    found = similarities(rows, centres).ravel()
    kept = min(len(found), max(1, round(mean * len(rows))))
    return float(np.partition(found, -kept)[-kept])


def assign(rows: TopicRows, centres: FloatRows, thresholds: Mapping[str, float]) -> Assignments:
    """Return the topics (rows of centres) of each video at the threshold of the halves that it has."""
    least = _least(rows.present, thresholds)
    counts, topics, found = [], [], []
    for start in range(0, len(rows), VIDEOS_AT_ONCE):
        part = np.arange(start, min(start + VIDEOS_AT_ONCE, len(rows)))
        cosines = similarities(rows.only(part), centres)
        videos, columns = np.nonzero(cosines >= least[part, None])
        order = np.lexsort((columns, -cosines[videos, columns], videos))
        counts.append(np.bincount(videos, minlength=len(part)))
        topics.append(columns[order])
        found.append(cosines[videos, columns][order])
    lists = Ragged(
        starts_of(np.concatenate([np.zeros(0, np.int64), *counts])), np.concatenate([np.zeros(0, np.int64), *topics])
    )
    return Assignments(lists, np.concatenate([np.zeros(0, np.float32), *found]))


def _least(present: NDArray[np.bool_], thresholds: Mapping[str, float]) -> NDArray[np.float64]:
    """Return the least similarity (V,) of each video; more than 1 for a video without any half."""
    least = np.full(len(present), np.inf)
    for name, halves in SETS.items():
        least[(present == halves).all(axis=1)] = thresholds[name]
    return least
