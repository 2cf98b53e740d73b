"""Logistic calibration of reviewed strengths (Platt 1999): a probability curve and a threshold."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

FEWEST = 15  # reviewed proposals that a threshold needs above it
PENALTY = 1e-2  # on the slope, so that it stays finite for strengths that separate perfectly
LEAST_SLOPE = 0.1
TOLERANCE = 1e-8  # of the gradient; coefficients are rounded to 1e-4


@dataclass(frozen=True, slots=True)
class Fit:
    """probability = 1 / (1 + exp(-(slope · strength + intercept))), for strengths of `least` or more."""

    slope: float
    intercept: float
    least: float


def fit(strengths: NDArray[np.floating], right: NDArray[np.bool_], precision: float) -> Fit | None:
    """Fit the logistic curve of (n,) reviewed strengths, and the lowest threshold that keeps the precision.

    The precision is that of all proposals from the threshold up. Returns None if no threshold with FEWEST reviewed
    proposals reaches it, or if the probability does not rise with the strength.
    """
    least = lowest_threshold(strengths, right, precision)
    if least is None:
        return None
    slope, intercept = (round(value, 4) for value in logistic(strengths.astype(np.float64), right))
    return Fit(slope, intercept, round(least, 4)) if slope > 0 else None


def proper_weight(strengths: NDArray[np.floating], is_proper: NDArray[np.bool_], right: NDArray[np.bool_]) -> float:
    """Return the strength (`StrengthConfig.proper`) that a proper name is worth by a logistic regression on (n,) names.

    0 unless names of both kinds were reviewed. A strength that hardly separates right names from wrong ones counts
    with LEAST_SLOPE, so that the case decides.
    """
    if len(set(is_proper.tolist())) < 2 or len(set(right.tolist())) < 2:
        return 0.0
    regression = LogisticRegression(C=1 / PENALTY, solver="newton-cholesky", tol=TOLERANCE)
    regression.fit(np.stack([strengths.astype(np.float64), is_proper], axis=1), right)
    slope, weight = regression.coef_[0].tolist()
    return round(float(weight) / max(float(slope), LEAST_SLOPE), 4)


def lowest_threshold(strengths: NDArray[np.floating], right: NDArray[np.bool_], precision: float) -> float | None:
    """Return the lowest threshold whose proposals have the precision, or None; equal strengths are not separated."""
    order = np.argsort(-strengths, kind="stable")
    falling = strengths[order]
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    is_last_of_ties = np.append(falling[1:] < falling[:-1], True)
    indices = np.flatnonzero((shares >= precision) & is_last_of_ties & (np.arange(1, len(order) + 1) >= FEWEST))
    return float(np.floor(falling[indices[-1]] * 1e4) / 1e4) if len(indices) else None


def logistic(x: NDArray[np.float64], y: NDArray[np.bool_]) -> tuple[float, float]:
    """Return slope and intercept of a logistic regression with Platt's (1999) targets instead of 0 and 1.

    scikit-learn takes no soft targets, so each value appears as right and as wrong, weighted by its target.
    """
    wins, losses = int(y.sum()), int((~y).sum())
    target = np.where(y, (wins + 1) / (wins + 2), 1 / (losses + 2))
    regression = LogisticRegression(C=1 / PENALTY, solver="newton-cholesky", tol=TOLERANCE)
    regression.fit(
        np.concatenate([x, x])[:, np.newaxis],
        np.repeat([True, False], len(x)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    return float(regression.coef_[0, 0]), float(regression.intercept_[0])
