"""Top-k selection with a fixed order among equal scores."""

import numpy as np
from numpy.typing import NDArray

from tagging.types import FloatRows, Indices

GROUPS = 16  # for each of the k largest, so that few of them meet in a group


def top_k(
    scores: NDArray[np.number],
    ids: NDArray[np.integer],
    limit: int,
    tie_scores: NDArray[np.number] | None = None,
) -> Indices:
    """Return the positions of the `limit` highest of (n,) scores, best first.

    Equal scores are ordered by falling tie score (n,), where given, then by rising id (n,), also at the cut.
    """
    positions = np.arange(len(scores))
    if len(scores) > limit:
        positions = np.flatnonzero(scores >= np.partition(scores, len(scores) - limit)[len(scores) - limit])
    keys = [ids[positions], -scores[positions]]
    if tie_scores is not None:
        keys.insert(1, -tie_scores[positions])
    return positions[np.lexsort(keys)][:limit]


def kth_largest_at_least(scores: NDArray[np.number], k: int) -> float:
    """Return a lower bound of the k-th largest of (n,) scores, near it and found in one pass; -inf for fewer than k.

    It is the k-th largest of the maxima of many groups of scores, each of which is one of the scores.
    """
    if len(scores) < k:
        return -np.inf
    size = max(len(scores) // (GROUPS * k), 1)
    maxima = scores[: len(scores) // size * size].reshape(size, -1).max(axis=0)
    return float(np.partition(maxima, len(maxima) - k)[len(maxima) - k])


def first_of_each(rows: Indices, scores: FloatRows) -> tuple[Indices, FloatRows]:
    """Return each row once, rising, with the highest of its scores; rows and scores: (n,)."""
    order = np.lexsort((-scores, rows))
    rows, scores = rows[order], scores[order]
    first = np.ones(len(rows), np.bool_)
    first[1:] = rows[1:] != rows[:-1]
    return rows[first], scores[first]
