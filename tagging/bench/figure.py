"""Benchmark figures: ratios of two measurements of one run, tables, and curves with their fitted exponents."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Row = dict[str, Any]

LINEAR = 1.1  # an exponent above it counts as above linear: a fit to three noisy points may miss 1 by a tenth
SPREAD = (10, 90)  # percentiles of the repeats


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ratio of two measurements that were repeated in turn: its median and spread over the repeats."""

    median: float
    low: float  # 10th percentile
    high: float  # 90th percentile

    @classmethod
    def of(cls, numerators: Sequence[float], denominators: Sequence[float]) -> "Ratio":
        """Divide repeat by repeat. Raises ValueError without repeats, and for numbers of repeats that differ."""
        if not numerators or len(numerators) != len(denominators):
            raise ValueError(f"{len(numerators)} numerators, {len(denominators)} denominators")
        ratios = np.asarray(numerators, np.float64) / np.asarray(denominators, np.float64)
        low, high = np.percentile(ratios, SPREAD)
        return cls(float(np.median(ratios)), float(low), float(high))


@dataclass(frozen=True, slots=True)
class Curve:
    """Cost at several sizes, and the exponent b of the power law cost = a · size^b through them."""

    name: str
    size_name: str  # such as "duration s"
    cost_name: str
    points: tuple[tuple[float, float], ...]  # (size, cost)

    @property
    def exponent(self) -> float:
        """The slope of the least-squares line through the logarithms; NaN for fewer than two sizes."""
        sizes, costs = np.log(np.array(self.points, np.float64).reshape(-1, 2)).T
        if len(np.unique(sizes)) < 2:
            return float("nan")
        centred = sizes - sizes.mean()
        return float(centred @ costs / (centred @ centred))

    @property
    def is_above_linear(self) -> bool:
        return self.exponent > LINEAR


@dataclass(frozen=True, slots=True)
class Figure:
    """One result: a ratio by elapsed time, the same by processor time where both sides have one, and its parts."""

    name: str  # of tagging.bench.names.FIGURES
    meaning: str  # "numerator / denominator"
    ratio: Ratio
    cpu_ratio: Ratio | None = None
    parts: tuple[Row, ...] = ()  # with equal keys
    curves: tuple[Curve, ...] = ()
