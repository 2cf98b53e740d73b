"""Nearest-neighbour search of labelled videos, by an embedding or by the n-grams of their texts, with live updates.

Video rows are rows of `LabelledTable`. Searches never wait; one thread changes the searched videos at a time.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recall.index.base import VectorIndex, check_rows
from recall.index.growing import GrowingIndex
from recall.ngrams import NgramRow
from recall.topk import top_k
from tagging.types import FloatRows, Indices, Neighbours


class VideoSearch:
    """Search by one embedding of each video."""

    def __init__(self, view: str, index: VectorIndex, video_rows: Indices, background: float = 0.0) -> None:
        """
        video_rows: (len(index),) the labelled video of each row of the index
        background: mean cosine of two labelled videos (recall/neighbours/vote.py)
        """
        if len(video_rows) != len(index):
            raise ValueError(f"{len(index)} index rows, video rows {video_rows.shape}")
        self.view = view
        self.background = background
        self._index = GrowingIndex(index)
        self._video_rows = video_rows
        self._added = list[int]()

    def nearest(self, queries: FloatRows, k: int) -> list[Neighbours]:
        """Return the k nearest labelled videos of each unit row (Q, D), fewer if there are fewer."""
        found = self._index.search(queries, k)
        return [
            Neighbours(self._videos(ids[ids >= 0]), scores[ids >= 0])  # the index pads with -1
            for ids, scores in zip(found.ids, found.scores, strict=True)
        ]

    def rows_within(self, videos: int) -> bool:
        """Return whether every index row belongs to one of the first `videos` videos."""
        return not len(self._video_rows) or bool(0 <= self._video_rows.min() <= self._video_rows.max() < videos)

    def check(self, row: FloatRows) -> None:
        """Raise ValueError for a row (D,) that the index cannot hold."""
        check_rows(row[None], self._index.dim)

    def add(self, video_row: int, row: FloatRows) -> None:
        """Add the checked row (D,) of a new video."""
        self._added.append(video_row)  # before the index can find it
        self._index.add(row[None])

    def remove(self, video_row: int) -> None:
        """Remove the rows of a video, if it has any."""
        index_rows = np.flatnonzero(self._video_rows == video_row).tolist()
        base = len(self._video_rows)
        index_rows += [base + index for index, row in enumerate(self._added) if row == video_row]
        self._index.remove(index_rows)

    def live(self) -> tuple[FloatRows, Indices]:
        """Return the live rows (n, D), and the labelled video of each."""
        ids, rows = self._index.live()
        return rows, self._videos(ids)

    def _videos(self, ids: Indices) -> Indices:
        videos = np.empty(len(ids), np.int64)
        added = ids >= len(self._video_rows)
        videos[~added] = self._video_rows[ids[~added]]
        videos[added] = [self._added[index] for index in (ids[added] - len(self._video_rows)).tolist()]
        return videos


@dataclass(frozen=True, slots=True, eq=False)
class _Snapshot:
    tail: sparse.csr_matrix  # (m, F) texts that were added
    live: NDArray[np.bool_]  # (V + m,) True for videos that were not removed


class TextSearch:
    """Search by the n-grams of every video's text: cosine of TF-IDF rows."""

    def __init__(self, texts: sparse.csr_matrix) -> None:
        """texts: (V, F) TF-IDF unit rows of the labelled videos"""
        count, self.width = texts.shape
        self._videos_of = texts.T.tocsr()  # n-gram -> videos, as in any text index
        self._now = _Snapshot(sparse.csr_matrix((0, self.width), dtype=np.float32), np.ones(count, np.bool_))

    def __len__(self) -> int:
        """Return the number of texts, removed videos included."""
        return len(self._now.live)

    def nearest(self, text: NgramRow, k: int) -> Neighbours:
        """Return the k nearest videos of a text, fewer if fewer share an n-gram."""
        now = self._now
        # Many videos share a frequent n-gram, so that a dense sum is several times as fast as a product of sparse rows.
        base = self._videos_of[text.columns].T @ text.weights
        tail = (now.tail @ text.matrix(self.width).T).toarray().ravel()
        cosines = np.concatenate([base, tail])
        rows = np.flatnonzero((cosines > 0) & now.live)
        order = top_k(cosines[rows], rows, k)
        return Neighbours(rows[order], cosines[rows[order]])

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
        return sparse.vstack([self._videos_of.T.tocsr(), self._now.tail], format="csr")[video_rows]
