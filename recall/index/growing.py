"""Growing vector index: rows are added and removed while it is searched.

A built index, the base, never changes. Rows added later are in a tail that is searched exactly, and removed rows are
only marked. Nothing here is persistent: the labelled log (tagging/store/labelled_log.py) stores the added videos, and
`videotag labelled fold` builds a new base.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recall.index.base import SearchResult, VectorIndex, check_rows
from recall.index.flat import nearest
from tagging.types import FloatRows, Indices

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Snapshot:
    """The changes so far. Each change makes a new value, so a search needs no lock."""

    base_live: Mask  # (n,) True: row of the base that was not removed
    tail: FloatRows  # (m, D) added rows, including removed ones
    tail_live: Mask  # (m,)


class GrowingRows:
    """Rows that are appended to, in memory that grows by doubling; earlier values of `rows` stay as they are."""

    def __init__(self, dim: int) -> None:
        self._room = np.zeros((0, dim), np.float32)
        self.rows = self._room  # (n, D)

    def append(self, rows: FloatRows) -> FloatRows:
        """Append (m, D) rows and return all."""
        start, end = len(self.rows), len(self.rows) + len(rows)
        if end > len(self._room):
            self._room = np.empty((max(2 * start, end), self._room.shape[1]), np.float32)
            self._room[:start] = self.rows
        self._room[start:end] = rows
        self.rows = self._room[:end]
        return self.rows


class GrowingIndex:
    """An index of a base and later changes. Ids continue after the base's row positions and are never reused.

    Thread-safe: searches never wait; additions and removals wait for each other.
    """

    def __init__(self, base: VectorIndex) -> None:
        self.dim = base.dim
        self._base = base
        self._tail = GrowingRows(base.dim)
        self._now = _Snapshot(np.ones(len(base), np.bool_), self._tail.rows, np.zeros(0, np.bool_))
        self._changing = threading.Lock()

    @property
    def is_exact(self) -> bool:
        return self._base.is_exact

    def __len__(self) -> int:
        """Return the number of live rows."""
        return int(np.count_nonzero(self._now.base_live) + np.count_nonzero(self._now.tail_live))

    def search(self, queries: FloatRows, k: int) -> SearchResult:
        queries, now = check_rows(queries, self.dim), self._now
        base = _among_live(lambda more: self._base.search(queries, more), now.base_live, k)
        if not len(now.tail):
            return base
        tail = _among_live(lambda more: nearest(queries, now.tail, more), now.tail_live, k)
        shifted = SearchResult(np.where(tail.ids >= 0, tail.ids + len(now.base_live), -1), tail.scores)
        return _best([base, shifted], k)

    def add(self, rows: FloatRows) -> Indices:
        """Add (n, D) unit rows and return their ids (n,)."""
        rows = check_rows(rows, self.dim)
        with self._changing:
            now = self._now
            first = len(now.base_live) + len(now.tail)
            live = np.concatenate([now.tail_live, np.ones(len(rows), np.bool_)])
            self._now = _Snapshot(now.base_live, self._tail.append(rows), live)
        return np.arange(first, first + len(rows))

    def remove(self, ids: Iterable[int]) -> int:
        """Remove rows and return how many of them were live. Raises ValueError for an id that was never assigned."""
        removed = np.unique(np.fromiter(ids, np.int64))
        with self._changing:
            now = self._now
            live = np.concatenate([now.base_live, now.tail_live])
            if len(removed) and not 0 <= removed[0] <= removed[-1] < len(live):
                raise ValueError(f"ids from {removed[0]} to {removed[-1]}, expected 0 to {len(live) - 1}")
            were_live = int(np.count_nonzero(live[removed]))
            live[removed] = False
            self._now = _Snapshot(live[: len(now.base_live)], now.tail, live[len(now.base_live) :])
        return were_live

    def live(self) -> tuple[Indices, FloatRows]:
        """Return the ids (n,), ascending, and the rows (n, D) that are live."""
        now = self._now
        ids = np.flatnonzero(np.concatenate([now.base_live, now.tail_live]))
        return ids, np.concatenate([self._base.rows()[now.base_live], now.tail[now.tail_live]])


def _among_live(search: Callable[[int], SearchResult], live: Mask, k: int) -> SearchResult:
    """Return the k nearest live rows, searching for more rows until enough of them are live.

    search: returns the given number of nearest rows, live or not
    """
    dead = len(live) - int(np.count_nonzero(live))
    if not dead:
        return search(k)
    wanted, most = min(k, len(live) - dead), min(k + dead, len(live))
    searched = min(k + min(k, dead), most)
    while True:
        found = search(searched)
        is_live = found.ids >= 0
        is_live[is_live] = live[found.ids[is_live]]
        if searched == most or (is_live.sum(axis=1) >= wanted).all():
            break
        searched = min(2 * searched, most)
    ids = np.where(is_live, found.ids, -1)
    return _best([SearchResult(ids, np.where(is_live, found.scores, np.float32(-np.inf)))], k)


def _best(results: Sequence[SearchResult], k: int) -> SearchResult:
    """Return the k best of all results, padded to k."""
    pads = len(results[0].ids), k
    ids = np.concatenate([*(result.ids for result in results), np.full(pads, -1)], axis=1)
    scores = np.concatenate([*(result.scores for result in results), np.full(pads, -np.inf, np.float32)], axis=1)
    order = np.lexsort((ids, -scores), axis=1)[:, :k]  # equal scores: lower id first, as in FlatIndex
    return SearchResult(np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1))
