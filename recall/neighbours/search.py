"""Nearest-neighbour search of labelled videos by an embedding, with live updates.

Video rows are rows of `LabelledTable`. Searches never wait; one thread changes the searched videos at a time.
"""

import numpy as np

from recall.index.base import VectorIndex, check_rows
from recall.index.growing import GrowingIndex
from recall.neighbours.space import NeighbourSpace
from tagging.types import FloatRows, Indices, Neighbours


class VideoSearch:
    """Search by one embedding of each video."""

    def __init__(self, view: str, index: VectorIndex, video_rows: Indices, space: NeighbourSpace) -> None:
        """
        index:      rows of the space
        video_rows: (len(index),) the labelled video of each row of the index
        """
        if len(video_rows) != len(index):
            raise ValueError(f"{len(index)} index rows, video rows {video_rows.shape}")
        self.view = view
        self.space = space
        self._index = GrowingIndex(index)
        self._video_rows = video_rows
        self._added = list[int]()

    def nearest(self, queries: FloatRows, k: int) -> list[Neighbours]:
        """Return the k nearest labelled videos of each unit row (Q, D) of the encoder, fewer if there are fewer."""
        found = self._index.search(self.space.rows(queries), k)
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
        """Add the checked row (D,) of the encoder for a new video."""
        self._added.append(video_row)  # before the index can find it
        self._index.add(self.space.rows(row[None]))

    def remove(self, video_row: int) -> None:
        """Remove the rows of a video, if it has any."""
        index_rows = np.flatnonzero(self._video_rows == video_row).tolist()
        base = len(self._video_rows)
        index_rows += [base + index for index, row in enumerate(self._added) if row == video_row]
        self._index.remove(index_rows)

    def live(self) -> tuple[FloatRows, Indices]:
        """Return the live rows (n, D) of the space, and the labelled video of each."""
        ids, rows = self._index.live()
        return rows, self._videos(ids)

    def _videos(self, ids: Indices) -> Indices:
        videos = np.empty(len(ids), np.int64)
        added = ids >= len(self._video_rows)
        videos[~added] = self._video_rows[ids[~added]]
        videos[added] = [self._added[index] for index in (ids[added] - len(self._video_rows)).tolist()]
        return videos
