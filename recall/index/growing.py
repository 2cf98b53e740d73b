"""An index that rows are added to and removed from while it is searched.

A built index, its base, never changes. Rows that were added since stand in a tail that is searched exactly, and removed
ones are only marked. What lies on the disk is not this file's business: tagging/store/additions.py keeps what was
added, `videotag labelled fold` builds a base anew.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recall.index.base import SearchResult, VectorIndex, check_rows
from recall.index.flat import nearest

Rows = NDArray[np.float32]
Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class _Snapshot:
    """What has changed until now. A change makes a new value, so a search needs no lock."""

    base_live: Mask  # (n,) True for rows of the base that were not removed
    tail: Rows  # (m, D) rows that were added, removed ones too
    tail_live: Mask  # (m,)


class GrowingIndex:
    """Ids are the places of the base's rows, then the next numbers; none is ever used twice.

    Safe to use from several threads: searches never wait, additions and removals wait for each other.
    """

    def __init__(self, base: VectorIndex) -> None:
        self.dim = base.dim
        self._base = base
        self._room = np.zeros((0, base.dim), np.float32)  # grows by doubling; tails are its beginnings
        self._now = _Snapshot(np.ones(len(base), np.bool_), self._room, np.zeros(0, np.bool_))
        self._changing = threading.Lock()

    @property
    def is_exact(self) -> bool:
        return self._base.is_exact

    def __len__(self) -> int:
        """Live rows."""
        return int(np.count_nonzero(self._now.base_live) + np.count_nonzero(self._now.tail_live))

    def search(self, queries: Rows, k: int) -> SearchResult:
        queries, now = check_rows(queries, self.dim), self._now
        base = _among_live(lambda more: self._base.search(queries, more), now.base_live, k)
        if not len(now.tail):
            return base
        tail = _among_live(lambda more: nearest(queries, now.tail, more), now.tail_live, k)
        behind = SearchResult(np.where(tail.ids >= 0, tail.ids + len(now.base_live), -1), tail.scores)
        return _best([base, behind], k)

    def add(self, rows: Rows) -> Ids:
        """The ids of (n, D) unit rows, which are found from now on."""
        rows = check_rows(rows, self.dim)
        with self._changing:
            now = self._now
            first = len(now.base_live) + len(now.tail)
            live = np.concatenate([now.tail_live, np.ones(len(rows), np.bool_)])
            self._now = _Snapshot(now.base_live, self._grown(now.tail, rows), live)
        return np.arange(first, first + len(rows))

    def remove(self, ids: Iterable[int]) -> int:
        """How many of the rows were there; they are found no more. ValueError for an id that no row ever had."""
        asked = np.unique(np.fromiter(ids, np.int64))
        with self._changing:
            now = self._now
            live = np.concatenate([now.base_live, now.tail_live])
            if len(asked) and not 0 <= asked[0] <= asked[-1] < len(live):
                raise ValueError(f"ids from {asked[0]} to {asked[-1]}, expected 0 to {len(live) - 1}")
            there = int(np.count_nonzero(live[asked]))
            live[asked] = False
            self._now = _Snapshot(live[: len(now.base_live)], now.tail, live[len(now.base_live) :])
        return there

    def live(self) -> tuple[Ids, Rows]:
        """Ids (n,), rising, and rows (n, D) of what is there now."""
        now = self._now
        ids = np.flatnonzero(np.concatenate([now.base_live, now.tail_live]))
        return ids, np.concatenate([self._base.rows()[now.base_live], now.tail[now.tail_live]])

    def _grown(self, tail: Rows, rows: Rows) -> Rows:
        """The tail and the rows behind it. The part of the room that earlier tails show is left alone."""
        length = len(tail) + len(rows)
        if length > len(self._room):
            self._room = np.empty((max(2 * len(tail), length), self.dim), np.float32)
            self._room[: len(tail)] = tail
        self._room[len(tail) : length] = rows
        return self._room[:length]


def _among_live(search: Callable[[int], SearchResult], live: Mask, k: int) -> SearchResult:
    """The k nearest live rows: more are asked for until enough of them are live.

    search: for a number of rows, the nearest of all
    """
    dead = len(live) - int(np.count_nonzero(live))
    if not dead:
        return search(k)
    wanted, most = min(k, len(live) - dead), min(k + dead, len(live))
    asked = min(k + min(k, dead), most)
    while True:
        found = search(asked)
        is_live = found.ids >= 0
        is_live[is_live] = live[found.ids[is_live]]
        if asked == most or (is_live.sum(axis=1) >= wanted).all():
            break
        asked = min(2 * asked, most)
    ids = np.where(is_live, found.ids, -1)
    return _best([SearchResult(ids, np.where(is_live, found.scores, np.float32(-np.inf)))], k)


def _best(results: Sequence[SearchResult], k: int) -> SearchResult:
    """The k best of all, padded to k."""
    pads = len(results[0].ids), k
    ids = np.concatenate([*(result.ids for result in results), np.full(pads, -1)], axis=1)
    scores = np.concatenate([*(result.scores for result in results), np.full(pads, -np.inf, np.float32)], axis=1)
    order = np.lexsort((ids, -scores), axis=1)[:, :k]  # equal scores: lower id first, as FlatIndex has it
    return SearchResult(np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1))
