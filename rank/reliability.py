"""Calibration of confidences: reliability diagram, expected calibration error, Brier score.

    expected calibration error (Naeini et al. 2015)   Σ_b count_b / n · |right_b - confidence_b|
    Brier score (1950)                                mean of (confidence - right)²

Bins have equal counts, not equal widths: most candidates have a low confidence, and with equal widths the bins of high
confidences, which are the ones shown, would hold a handful each. Equal confidences share a bin. scikit-learn's
calibration_curve(strategy="quantile") returns no counts, which the calibration error needs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959964  # standard deviations that contain 95 % of a normal distribution
HISTOGRAM_BINS = 20

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Calibration of n confidences in b bins, lowest confidence first."""

    confidence: Floats  # (b,) mean confidence
    right: Floats  # (b,) share of correct candidates
    count: NDArray[np.int64]  # (b,) candidates
    lower: Floats  # (b,) and
    upper: Floats  # (b,) 95 % confidence limits of the share (Wilson 1927), for independent candidates
    histogram: NDArray[np.int64]  # (HISTOGRAM_BINS,) confidences in equally wide parts of [0, 1]
    calibration_error: float
    brier: float


def reliability(confidences: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 15) -> Reliability:
    """Return the calibration of confidences.

    confidences: (n,) in [0, 1]
    right:       (n,) bool, True for a correct candidate
    bins:        at most; fewer if equal confidences would fill several
    """
    if confidences.ndim != 1 or confidences.shape != right.shape or not len(confidences):
        raise ValueError(f"confidences {confidences.shape}, right {right.shape}, not both (n,) of at least one")
    if right.dtype != np.bool_ or not ((confidences >= 0) & (confidences <= 1)).all():
        raise ValueError(f"right {right.dtype}, confidences outside [0, 1], or NaN")
    if bins < 1:
        raise ValueError(f"{bins} bins")
    exact = confidences.astype(np.float64)
    edges = np.sort(exact)[np.arange(1, bins) * len(exact) // bins]
    bin_of = np.unique(np.searchsorted(edges, exact, side="right"), return_inverse=True)[1]
    count = np.bincount(bin_of)
    hits = np.bincount(bin_of[right], minlength=len(count)).astype(np.float64)
    mean, share = np.bincount(bin_of, exact) / count, hits / count
    lower, upper = wilson(hits, count.astype(np.float64), Z95)
    return Reliability(
        confidence=mean,
        right=share,
        count=count,
        lower=lower,
        upper=upper,
        histogram=np.histogram(exact, HISTOGRAM_BINS, (0.0, 1.0))[0].astype(np.int64),
        calibration_error=float((count * np.abs(share - mean)).sum() / len(exact)),
        brier=float(np.mean((exact - right) ** 2)),
    )


def wilson(successes: Floats, trials: Floats, z: float) -> tuple[Floats, Floats]:
    """Return the lower and upper limits of shares, z standard errors either way (Wilson 1927).

    successes, trials: (n,) trials above 0; fractions if some trials have a lower weight
    """
    share, extra = successes / trials, z * z / trials
    middle = share + extra / 2
    half = np.sqrt(extra * (share * (1 - share) + extra / 4))
    return (middle - half) / (1 + extra), (middle + half) / (1 + extra)
