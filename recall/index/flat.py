"""Exact vector search in NumPy: the reference that every other index is compared with."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recall.index.base import SearchResult, check_rows

SCORES_AT_ONCE = 2**25  # bounds the (queries, rows) block at 128 MiB


class FlatIndex:
    backend = "flat"
    is_exact = True

    def __init__(self, rows: NDArray[np.float32]) -> None:
        self._rows = check_rows(rows)
        self.dim = self._rows.shape[1]

    def __len__(self) -> int:
        return len(self._rows)

    def search(self, queries: NDArray[np.float32], k: int) -> SearchResult:
        return nearest(check_rows(queries, self.dim), self._rows, k)

    def rows(self) -> NDArray[np.float32]:
        return self._rows

    def save(self, folder: Path) -> None:
        np.save(folder / "rows.npy", self._rows, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> "FlatIndex":
        return cls(np.load(folder / "rows.npy", allow_pickle=False))


def nearest(queries: NDArray[np.float32], rows: NDArray[np.float32], k: int) -> SearchResult:
    """Return the k of (n, D) rows nearest to each of (Q, D) queries, both checked; ids are row positions."""
    ids = np.full((len(queries), k), -1, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    found = min(k, len(rows))
    if not found:
        return SearchResult(ids, scores)
    step = max(1, SCORES_AT_ONCE // len(rows))
    for start in range(0, len(queries), step):
        block = queries[start : start + step] @ rows.T
        top = np.argpartition(-block, found - 1, axis=1)[:, :found]
        top_scores = np.take_along_axis(block, top, axis=1)
        order = np.lexsort((top, -top_scores), axis=1)  # equal scores: lower id first
        ids[start : start + step, :found] = np.take_along_axis(top, order, axis=1)
        scores[start : start + step, :found] = np.take_along_axis(top_scores, order, axis=1)
    return SearchResult(ids, scores)
