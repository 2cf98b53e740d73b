"""Labelled videos near a video, by an embedding or by the n-grams of their texts; videos come and go meanwhile.

Rows are those of `LabelledTable`. Searches never wait; one thread changes them at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recall.index.base import VectorIndex, check_rows
from recall.index.growing import GrowingIndex
from recall.ngrams import NgramFeatures
from recall.topk import best
from tagging.types import Neighbours

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


class VideoSearch:
    """By a row of an embedding each."""

    def __init__(self, view: str, index: VectorIndex, video_rows: Rows) -> None:
        """video_rows: (len(index),) the labelled video behind each row of the index"""
        if len(video_rows) != len(index):
            raise ValueError(f"{len(index)} index rows, video rows {video_rows.shape}")
        self.view = view
        self._index = GrowingIndex(index)
        self._video_rows = video_rows
        self._added = list[int]()

    def nearest(self, queries: Floats, k: int) -> list[Neighbours]:
        """(Q, D) unit rows -> k labelled videos each, fewer where there are no more."""
        found = self._index.search(queries, k)
        return [
            Neighbours(self._videos(ids[ids >= 0]), scores[ids >= 0])  # the index pads with -1
            for ids, scores in zip(found.ids, found.scores, strict=True)
        ]

    def rows_within(self, videos: int) -> bool:
        """Whether every row is of one of so many videos."""
        return not len(self._video_rows) or bool(0 <= self._video_rows.min() <= self._video_rows.max() < videos)

    def check(self, row: Floats) -> None:
        """ValueError for a row that the index could not hold."""
        check_rows(row[None], self._index.dim)

    def add(self, video_row: int, row: Floats) -> None:
        """row: (D,) checked, of a video that was not there"""
        self._added.append(video_row)  # before the index can find it
        self._index.add(row[None])

    def remove(self, video_row: int) -> None:
        """Of a video that may be there."""
        behind = np.flatnonzero(self._video_rows == video_row).tolist()
        behind += [len(self._video_rows) + place for place, row in enumerate(self._added) if row == video_row]
        self._index.remove(behind)

    def live(self) -> tuple[Floats, Rows]:
        """The rows (n, D) that are there now, and the labelled video behind each."""
        ids, rows = self._index.live()
        return rows, self._videos(ids)

    def _videos(self, ids: Rows) -> Rows:
        videos = np.empty(len(ids), np.int64)
        added = ids >= len(self._video_rows)
        videos[~added] = self._video_rows[ids[~added]]
        videos[added] = [self._added[place] for place in (ids[added] - len(self._video_rows)).tolist()]
        return videos


@dataclass(frozen=True, slots=True, eq=False)
class _Snapshot:
    tail: sparse.csr_matrix  # (m, F) texts that were added
    live: NDArray[np.bool_]  # (V + m,) True for videos that are there


class TextSearch:
    """By the n-grams of every video's text; cosine of TF-IDF rows."""

    def __init__(self, features: NgramFeatures, texts: sparse.csr_matrix) -> None:
        """texts: (V, F) unit rows of the labelled videos"""
        if texts.shape[1] != features.width:
            raise ValueError(f"texts {texts.shape}, {features.width} n-grams")
        self._features = features
        self._videos_of = texts.T.tocsr()  # n-gram -> videos, as in any text index
        self._now = _Snapshot(
            sparse.csr_matrix((0, features.width), dtype=np.float32), np.ones(texts.shape[0], np.bool_)
        )

    def __len__(self) -> int:
        """Texts that there ever were."""
        return len(self._now.live)

    def nearest(self, texts: Sequence[str], k: int) -> list[Neighbours | None]:
        """k labelled videos for each text, fewer where fewer share an n-gram; None for a text without known n-grams."""
        queries, now = self._features.transform(texts), self._now
        return [self._nearest(query, now, k) if query.nnz else None for query in queries]

    def add(self, text: str) -> None:
        """The text of the next video, "" where it has none."""
        now = self._now
        tail = sparse.vstack([now.tail, self._features.transform([text])], format="csr")
        self._now = _Snapshot(tail, np.append(now.live, True))

    def remove(self, video_row: int) -> None:
        live = self._now.live.copy()
        live[video_row] = False
        self._now = _Snapshot(self._now.tail, live)

    def rows(self, video_rows: Rows) -> sparse.csr_matrix:
        """(n, F) of some of the videos."""
        return sparse.vstack([self._videos_of.T.tocsr(), self._now.tail], format="csr")[video_rows]

    def _nearest(self, query: sparse.csr_matrix, now: _Snapshot, k: int) -> Neighbours:
        base, tail = query @ self._videos_of, (now.tail @ query.T).tocoo()
        rows = np.concatenate([base.indices, tail.row + self._videos_of.shape[1]]).astype(np.int64)
        cosines = np.concatenate([base.data, tail.data]).astype(np.float32)
        if not now.live.all():
            live = now.live[rows]
            rows, cosines = rows[live], cosines[live]
        order = best(cosines, rows, k)
        return Neighbours(rows[order], cosines[order])
