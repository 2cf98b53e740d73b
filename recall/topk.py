"""The highest of many scores, equal ones always in the same order."""

import numpy as np
from numpy.typing import NDArray


def best(scores: NDArray[np.floating], ids: NDArray[np.integer], limit: int) -> NDArray[np.int64]:
    """Places of the `limit` highest of (n,) scores, best first; equal scores by rising id, also at the cut."""
    places = np.arange(len(scores))
    if len(scores) > limit:
        places = np.flatnonzero(scores >= np.partition(scores, len(scores) - limit)[len(scores) - limit])
    return places[np.lexsort((ids[places], -scores[places]))][:limit]


def first_of_each(
    rows: NDArray[np.int64], scores: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Each row once, rising, with the highest of its scores."""
    order = np.lexsort((-scores, rows))
    rows, scores = rows[order], scores[order]
    first = np.ones(len(rows), np.bool_)
    first[1:] = rows[1:] != rows[:-1]
    return rows[first], scores[first]
