"""Nearest-neighbour search of labelled videos by the n-grams of their texts: exact cosines of TF-IDF rows.

The n-grams that many videos share have most of the postings of a title, and little of a cosine. As in MaxScore (Turtle
and Flood 1995), the postings of the other n-grams give partial cosines, an upper bound of the rest excludes nearly all
videos, and the cosines of the videos left are computed from their rows. By the Cauchy-Schwarz inequality the rest is at
most the norm of the query's frequent n-grams times that of the video's.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recall.ngrams import NgramRow
from recall.topk import kth_largest_at_least, top_k
from tagging.types import FloatRows, Indices, Neighbours

FREQUENT = 1 / 16  # of the videos have a frequent n-gram; with fewer, the bound excludes too few videos
# Rows that are read, of all: a row costs several times as much as the postings of as many n-grams.
MOST_ROWS = 1 / 50


@dataclass(frozen=True, slots=True, eq=False)
class _Snapshot:
    tail: sparse.csr_matrix  # (m, F) texts that were added
    live: NDArray[np.bool_]  # (V + m,) True for videos that were not removed


class TextSearch:
    """Search by the n-grams of every video's text. Searches never wait; one thread changes the videos at a time."""

    def __init__(self, texts: sparse.csr_matrix) -> None:
        """texts: (V, F) TF-IDF unit rows of the labelled videos, columns rising"""
        count, self.width = texts.shape
        self._texts = texts
        self._postings = texts.T.tocsr()  # n-gram -> videos
        self._is_frequent = np.diff(self._postings.indptr) > FREQUENT * count  # (F,)
        self._frequent_norms = self._norms(np.flatnonzero(self._is_frequent))
        self._now = _Snapshot(sparse.csr_matrix((0, self.width), dtype=np.float32), np.ones(count, np.bool_))

    def __len__(self) -> int:
        """Return the number of texts, removed videos included."""
        return len(self._now.live)

    def nearest(self, text: NgramRow, k: int) -> Neighbours:
        """Return the k nearest videos of a text, fewer if fewer share an n-gram; equal cosines by rising row."""
        now, count = self._now, self._texts.shape[0]
        query = np.zeros(self.width, np.float32)
        query[text.columns] = text.weights
        near = self._near(text, k, now.live[:count])
        rows = np.concatenate([near, np.arange(count, len(now.live))])
        cosines = np.concatenate([self._texts[near] @ query, now.tail @ query])
        kept = np.flatnonzero((cosines > 0) & now.live[rows])
        order = kept[top_k(cosines[kept], rows[kept], k)]
        return Neighbours(rows[order], cosines[order])

    def add(self, text: NgramRow | None) -> None:
        """Add the text of the next video; None without one."""
        now = self._now
        row = sparse.csr_matrix((1, self.width), dtype=np.float32) if text is None else text.matrix(self.width)
        self._now = _Snapshot(sparse.vstack([now.tail, row], format="csr"), np.append(now.live, True))

    def remove(self, video_row: int) -> None:
        live = self._now.live.copy()
        live[video_row] = False
        self._now = _Snapshot(self._now.tail, live)

    def rows(self, video_rows: Indices) -> sparse.csr_matrix:
        """Return the TF-IDF rows (n, F) of some of the videos."""
        return sparse.vstack([self._texts, self._now.tail], format="csr")[video_rows]

    def _near(self, text: NgramRow, k: int, live: NDArray[np.bool_]) -> Indices:
        """Return few of the first V rows, among them the k nearest of those that are live (V,)."""
        is_frequent = self._is_frequent[text.columns]
        # A sum of n products is right to n roundings (Higham 2002, section 3.1); five such errors meet in a comparison.
        exact_share = 1 - 4 * (len(text.columns) + 1) * np.finfo(np.float32).eps
        rare = ~is_frequent
        sums = self._postings[text.columns[rare]].T @ text.weights[rare]
        sums[~live] = -np.inf
        least = kth_largest_at_least(sums, k)
        if least > 0:
            at_most = np.linalg.norm(text.weights[is_frequent]) * self._frequent_norms
            near = np.flatnonzero(sums + at_most >= least * exact_share)
            if len(near) <= MOST_ROWS * len(live):
                return near
        for column, weight in zip(text.columns[is_frequent], text.weights[is_frequent], strict=True):
            videos, weights = self._postings_of(column)
            np.add.at(sums, videos, weights * weight)
        least = kth_largest_at_least(sums, k)
        return np.flatnonzero((sums >= least * exact_share) & (sums > 0))

    def _postings_of(self, column: int) -> tuple[Indices, FloatRows]:
        """Return the videos (n,) that have an n-gram, and its weights (n,) there, without a copy."""
        part = slice(self._postings.indptr[column], self._postings.indptr[column + 1])
        return self._postings.indices[part], self._postings.data[part]

    def _norms(self, columns: Indices) -> FloatRows:
        """Return (V,) at least the norm of each video's n-grams of these columns."""
        squares = np.zeros(self._texts.shape[0])
        for column in columns:
            videos, weights = self._postings_of(column)
            squares[videos] += weights.astype(np.float64) ** 2
        return np.nextafter(np.sqrt(squares).astype(np.float32), np.float32(np.inf))
