"""Measures of click prediction: AUC, log loss (eq. 12 of Hasama & Li) and GAUC."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy
from scipy.stats import rankdata

from tagging.types import Indices

LEAST = 1e-7  # probability of a click, and of none; a float32 sigmoid reaches 0 and 1


def measures(probabilities: NDArray[np.floating], clicked: NDArray[np.bool_], users: Indices) -> dict[str, float]:
    """Return the measures of n predictions; AUC and GAUC are NaN where they are not defined.

    probabilities, clicked, users: (n,)
    """
    return {
        "AUC": auc(probabilities, clicked),
        "log loss": log_loss(probabilities, clicked),
        "GAUC": grouped_auc(probabilities, clicked, users),
    }


def auc(scores: NDArray[np.floating], clicked: NDArray[np.bool_]) -> float:
    """Return the probability that a clicked impression scores above another, ties half; NaN if all are of one kind."""
    return grouped_auc(scores, clicked, np.zeros(len(scores), np.int64))


def log_loss(probabilities: NDArray[np.floating], clicked: NDArray[np.bool_]) -> float:
    """Return the mean negative log-likelihood in nats."""
    p = np.clip(probabilities.astype(np.float64), LEAST, 1 - LEAST)
    return float(-(xlogy(clicked, p) + xlogy(~clicked, 1 - p)).mean())


def grouped_auc(scores: NDArray[np.floating], clicked: NDArray[np.bool_], users: Indices) -> float:
    """Return the mean of each user's AUC, weighted by impressions (Zhu et al. 2017, "Optimized Cost per Click").

    Users whose impressions were all clicked, or none, have no AUC and are left out; NaN if there is no other.
    """
    _, user = np.unique(users, return_inverse=True)
    order = np.argsort(user, kind="stable")
    # Mean ranks (Mann & Whitney 1947) of all impressions, shifted so that users do not overlap, are ranks of each user.
    ranks = np.empty(len(scores))
    ranks[order] = rankdata(user[order] * (len(scores) + 1) + rankdata(scores, method="dense")[order])
    counts, clicks = np.bincount(user), np.bincount(user, clicked)
    others = counts - clicks
    rank_sums = np.bincount(user, np.where(clicked, ranks - (np.cumsum(counts) - counts)[user], 0))
    defined = (clicks > 0) & (others > 0)
    if not defined.any():
        return float("nan")
    wins = (rank_sums - clicks * (clicks + 1) / 2)[defined]
    return float(np.average(wins / (clicks * others)[defined], weights=counts[defined]))
