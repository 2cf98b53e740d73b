"""Trends of topics: which have a larger or smaller share of a period than of the one before, beyond chance.

Each topic is tested by Fisher's exact test on the two shares; as many topics are tested at once, the p-values are
adjusted to the false discovery rate (Benjamini and Hochberg 1995). So a topic of three videos is not rising.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.stats import false_discovery_control, fisher_exact

DISCOVERY_RATE = 0.05  # of rising and falling topics, that are so by chance
LEAST_CHANGE = 1.2  # of a share; with many videos any difference is beyond chance

Direction = Literal["rising", "falling", "steady"]


@dataclass(frozen=True, slots=True)
class PeriodCounts:
    """Counts of one period; whatever is counted may have several topics, or none."""

    of_topics: Mapping[int, int]  # by topic id; a topic without any may be missing
    total: int

    def __post_init__(self) -> None:
        if any(not 0 <= count <= self.total for count in self.of_topics.values()):
            raise ValueError(f"counts of topics beyond 0 to {self.total}")


@dataclass(frozen=True, slots=True)
class Trend:
    """The change of a topic from one period to the next."""

    before: int
    after: int
    change: float | None  # the share after over the share before; None if there was none before
    q: float  # p-value adjusted to the false discovery rate
    direction: Direction


def find_trends(topics: Sequence[int], before: PeriodCounts, after: PeriodCounts) -> dict[int, Trend]:
    """Return the trend of each topic, by id; none if a period is empty."""
    if not topics or not before.total or not after.total:
        return {}
    pairs = [(before.of_topics.get(topic, 0), after.of_topics.get(topic, 0)) for topic in topics]
    ps = [_p_value(old, before.total, new, after.total) for old, new in pairs]
    adjusted = false_discovery_control(ps).tolist()
    trends = {}
    for topic, (old, new), q in zip(topics, pairs, adjusted, strict=True):
        change = (new / after.total) / (old / before.total) if old else None
        trends[topic] = Trend(old, new, change, q, _direction(change, q))
    return trends


def _p_value(old: int, old_total: int, new: int, new_total: int) -> float:
    return float(fisher_exact([[old, old_total - old], [new, new_total - new]]).pvalue)


def _direction(change: float | None, q: float) -> Direction:
    if q > DISCOVERY_RATE:
        return "steady"
    if change is None or change >= LEAST_CHANGE:
        return "rising"
    return "falling" if change <= 1 / LEAST_CHANGE else "steady"
