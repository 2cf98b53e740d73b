"""The live rows of an index that changes: a built base that never does, rows added since, and marks of removed ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recall.index.base import SearchResult, VectorIndex
from recall.index.flat import nearest

Rows = NDArray[np.float32]
Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class LiveRows:
    """All rows at one moment. A change makes a new value, so a search needs no lock."""

    base: VectorIndex
    base_ids: Ids  # (n,) rising
    base_live: Mask  # (n,) True for rows that were not removed
    tail: Rows  # (m, D) rows that were added since, removed ones too
    tail_live: Mask  # (m,)
    next_id: int  # of the row that is added next; the tail has the m ids before it

    @classmethod
    def of(cls, base: VectorIndex, ids: Ids, next_id: int) -> "LiveRows":
        """The rows of a base, by their ids, and none added or removed."""
        return cls(
            base=base,
            base_ids=ids,
            base_live=np.ones(len(ids), np.bool_),
            tail=np.zeros((0, base.dim), np.float32),
            tail_live=np.zeros(0, np.bool_),
            next_id=next_id,
        )

    def __len__(self) -> int:
        return int(np.count_nonzero(self.base_live) + np.count_nonzero(self.tail_live))

    @property
    def tail_ids(self) -> Ids:
        return np.arange(self.next_id - len(self.tail), self.next_id)

    @property
    def ids(self) -> Ids:
        """(len(self),) rising"""
        return np.concatenate([self.base_ids[self.base_live], self.tail_ids[self.tail_live]])

    @property
    def rows(self) -> Rows:
        """(len(self), D) in the order of ids"""
        return np.concatenate([self.base.rows()[self.base_live], self.tail[self.tail_live]])

    def has(self, ids: Ids) -> Mask:
        places = np.searchsorted(self.base_ids, ids)
        in_base = np.zeros(len(ids), np.bool_)
        inside = places < len(self.base_ids)
        in_base[inside] = (self.base_ids[places[inside]] == ids[inside]) & self.base_live[places[inside]]
        return in_base | np.isin(ids, self.tail_ids[self.tail_live])

    def with_tail(self, tail: Rows) -> "LiveRows":
        """tail: the one there is, and the added rows behind it."""
        added = len(tail) - len(self.tail)
        live = np.concatenate([self.tail_live, np.ones(added, np.bool_)])
        return replace(self, tail=tail, tail_live=live, next_id=self.next_id + added)

    def without(self, ids: Ids) -> "LiveRows":
        """ids: of rows that are there."""
        first = self.next_id - len(self.tail)
        base_live, tail_live = self.base_live.copy(), self.tail_live.copy()
        base_live[np.searchsorted(self.base_ids, ids[ids < first])] = False
        tail_live[ids[ids >= first] - first] = False
        return replace(self, base_live=base_live, tail_live=tail_live)

    def search(self, queries: Rows, k: int) -> SearchResult:
        """(Q, D) checked queries -> the k nearest live rows of each, as long as there are k."""
        base = _among_live(lambda more: self.base.search(queries, more), self.base_ids, self.base_live, k)
        tail = _among_live(lambda more: nearest(queries, self.tail, more), self.tail_ids, self.tail_live, k)
        return _best([base, tail], k)


def _among_live(search: Callable[[int], SearchResult], ids: Ids, live: Mask, k: int) -> SearchResult:
    """The k nearest live rows by their ids: more are asked for until enough of them are live.

    search: for a number of rows, the nearest of all as places in ids and live
    """
    dead = len(live) - int(np.count_nonzero(live))
    wanted, most = min(k, len(live) - dead), min(k + dead, len(live))
    asked = min(k + min(k, dead), most)
    while True:
        found = search(asked)
        is_live = found.ids >= 0
        is_live[is_live] = live[found.ids[is_live]]
        if asked == most or (is_live.sum(axis=1) >= wanted).all():
            break
        asked = min(2 * asked, most)
    named = np.where(is_live, ids[found.ids] if len(ids) else -1, -1)
    return _best([SearchResult(named, np.where(is_live, found.scores, np.float32(-np.inf)))], k)


def _best(results: Sequence[SearchResult], k: int) -> SearchResult:
    """The k best of all, padded to k."""
    pads = len(results[0].ids), k
    ids = np.concatenate([*(result.ids for result in results), np.full(pads, -1)], axis=1)
    scores = np.concatenate([*(result.scores for result in results), np.full(pads, -np.inf, np.float32)], axis=1)
    order = np.lexsort((ids, -scores), axis=1)[:, :k]  # equal scores: lower id first, as FlatIndex has it
    return SearchResult(np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1))
