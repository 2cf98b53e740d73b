"""How far a confidence is a probability: reliability diagram, calibration error, Brier score.

    expected calibration error (Naeini et al. 2015)   Σ_b count_b / n · |right_b - confidence_b|
    Brier score (1950)                                mean of (confidence - right)²

The bins hold equal counts, not equal widths: most candidates have a low confidence, and equal widths would leave the
high ones, which are shown, to a handful a bin. Equal confidences share a bin.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959964  # a normal variable is within as many standard deviations 95 times in 100
WIDTHS = 20

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Of n confidences in b bins, lowest first."""

    confidence: Floats  # (b,) mean
    right: Floats  # (b,) share
    count: NDArray[np.int64]  # (b,)
    least: Floats  # (b,) and
    most: Floats  # (b,) that the share may be (95 in 100, Wilson 1927), were the candidates independent
    spread: NDArray[np.int64]  # (WIDTHS,) how many confidences are in each part of [0, 1], all equally wide
    calibration_error: float
    brier: float


def reliability(confidences: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 15) -> Reliability:
    """confidences: (n,) in [0, 1]; right: (n,) bool. Fewer bins where equal confidences fill several."""
    if confidences.ndim != 1 or confidences.shape != right.shape or not len(confidences):
        raise ValueError(f"confidences {confidences.shape}, right {right.shape}, not both (n,) of at least one")
    if right.dtype != np.bool_ or not ((confidences >= 0) & (confidences <= 1)).all():
        raise ValueError(f"right {right.dtype}, confidences outside [0, 1], or NaN")
    if bins < 1:
        raise ValueError(f"{bins} bins")
    exact = confidences.astype(np.float64)
    edges = np.sort(exact)[np.arange(1, bins) * len(exact) // bins]
    place = np.unique(np.searchsorted(edges, exact, side="right"), return_inverse=True)[1]
    count = np.bincount(place)
    hits = np.bincount(place[right], minlength=len(count)).astype(np.float64)
    mean, share = np.bincount(place, exact) / count, hits / count
    least, most = wilson(hits, count.astype(np.float64), Z95)
    return Reliability(
        confidence=mean,
        right=share,
        count=count,
        least=least,
        most=most,
        spread=np.histogram(exact, WIDTHS, (0.0, 1.0))[0].astype(np.int64),
        calibration_error=float((count * np.abs(share - mean)).sum() / len(exact)),
        brier=float(np.mean((exact - right) ** 2)),
    )


def wilson(successes: Floats, trials: Floats, z: float) -> tuple[Floats, Floats]:
    """The least and the most that each share may be, z standard errors either way (Wilson 1927).

    successes, trials: (n,) trials above 0, not whole where one weighs less than another
    """
    share, extra = successes / trials, z * z / trials
    middle = share + extra / 2
    half = np.sqrt(extra * (share * (1 - share) + extra / 4))
    return (middle - half) / (1 + extra), (middle + half) / (1 + extra)
