"""New uploads in memory: the vectors that the database holds for a model, and the nearest of them to a user.

The search is exact, one product with all vectors: unlike an approximate index, it needs no training, which uploads of
every second would repeat, and leaves out watched and old videos without searching for more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from recall.index.growing import GrowingRows
from tagging.store.database.video_vectors import VectorPage
from tagging.types import FloatRows

REPLACED = -np.inf  # time of a row whose video has a later one


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A video for a user."""

    video_id: str
    score: float  # cosine in [-1, 1]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The uploads at one moment. Later changes make a new value, so that a search needs no lock."""

    video_ids: list[str]  # the first n; uploads that follow are appended to the same list
    vectors: FloatRows  # (n, D) unit rows
    added_s: NDArray[np.float64]  # (n,) Unix time of the addition, or REPLACED

    def nearest(self, user: FloatRows, since: datetime, left_out: Iterable[int], most: int) -> list[Recommendation]:
        """Return the nearest of the videos that were added since a time, best first; equal ones the latest first.

        user: (D,) unit row; left_out: rows of videos that are no candidates
        """
        is_candidate = self.added_s >= since.timestamp()
        is_candidate[list(left_out)] = False
        count = min(most, int(np.count_nonzero(is_candidate)))
        if not count:
            return []
        # Not by BLAS, whose sums depend on the place of a row: services would order equal videos in different ways.
        cosines = np.einsum("nd,d->n", self.vectors, user)
        cosines[~is_candidate] = -np.inf
        least = np.partition(cosines, len(cosines) - count)[len(cosines) - count]
        rows = np.flatnonzero(cosines >= least)
        best = rows[np.lexsort((-rows, -cosines[rows]))[:count]]
        return [Recommendation(self.video_ids[row], float(cosines[row])) for row in best.tolist()]


class Uploads:
    """The uploads of one model, each with the vector of its last addition. Belongs to one event loop."""

    def __init__(self, width: int) -> None:
        """width: D, of the model"""
        self._width = width
        self._rows = GrowingRows(width)
        self._row_of: dict[str, int] = {}
        self.now = Snapshot([], self._rows.rows, np.zeros(0))

    def __len__(self) -> int:
        return len(self._row_of)

    def row_of(self, video_id: str) -> int | None:
        """Return the row of a video in `now`; None for a video that was not added or of which nothing is known."""
        return self._row_of.get(video_id)

    def put(self, page: VectorPage) -> None:
        """Add videos; the vector of a known one is replaced. A video of which nothing is known is left out."""
        replaced = [row for video_id in page.video_ids if (row := self._row_of.pop(video_id, None)) is not None]
        known = np.flatnonzero(page.vectors.any(axis=1))
        now = self.now
        for row, position in enumerate(known.tolist(), len(now.added_s)):
            self._row_of[page.video_ids[position]] = row
            now.video_ids.append(page.video_ids[position])
        added_s = np.append(now.added_s, [page.added_at[position].timestamp() for position in known.tolist()])
        added_s[replaced] = REPLACED
        self.now = Snapshot(now.video_ids, self._rows.append(page.vectors[known]), added_s)

    def forget(self, before: datetime) -> None:
        """Remove what was added before a time, and the memory of replaced vectors."""
        now = self.now
        kept = np.flatnonzero(now.added_s >= before.timestamp())
        if len(kept) == len(now.added_s):
            return
        self._rows = GrowingRows(self._width)
        video_ids = [now.video_ids[row] for row in kept.tolist()]
        self._row_of = {video_id: row for row, video_id in enumerate(video_ids)}
        self.now = Snapshot(video_ids, self._rows.append(now.vectors[kept]), now.added_s[kept])
