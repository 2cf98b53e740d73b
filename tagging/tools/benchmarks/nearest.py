"""Exact nearest neighbours: every similarity is computed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagging.progress import Progress

QUERIES_PER_BATCH = 64
Rows = Any  # (V, D) float32, dense or scipy.sparse.csr_matrix


def nearest(queries: Rows, videos: Rows, k: int, progress: Progress) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return (Q, k') video rows and inner products for (Q, D) and (V, D) rows, best first, ties by row.

    k' = min(k, V).
    """
    k = min(k, videos.shape[0])
    rows, similarity = np.zeros((queries.shape[0], k), np.int64), np.zeros((queries.shape[0], k), np.float32)
    transposed = videos.T.tocsr() if hasattr(videos, "tocsr") else videos.T  # otherwise converted at every product
    with progress.track("nearest titles", queries.shape[0]) as advance:
        for start in range(0, queries.shape[0], QUERIES_PER_BATCH):
            batch = slice(start, start + QUERIES_PER_BATCH)
            product = queries[batch] @ transposed
            all_scores = product.toarray() if hasattr(product, "toarray") else product
            for query, scores in enumerate(all_scores, start):
                # A partition alone would choose arbitrarily among ties, and equal titles cause many.
                least = np.partition(scores, -k)[-k]
                candidates = np.flatnonzero(scores >= least)
                rows[query] = candidates[np.lexsort((candidates, -scores[candidates]))[:k]]
                similarity[query] = scores[rows[query]]
            advance(len(all_scores))
    return rows, similarity
