"""Vector indexes against exact search over the same rows: recall, time of a query, memory, build time.

Every query is timed on both in turn. If several rows have the score of a true neighbour, any of them counts as found.
"""

import multiprocessing
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recall.index.base import VectorIndex
from recall.index.factory import build_index, load_index
from tagging.bench.embeddings import EXACT, ROWS_AT_ONCE, Rows
from tagging.bench.memory import now_mib
from tagging.bench.timing import Spent, in_turn
from tagging.config.recall import IndexConfig
from tagging.progress import Advance

SAME = 1e-5  # largest difference of scores that count as equal


@dataclass(frozen=True, slots=True, eq=False)
class AgainstExact:
    """An index and the queries that it and exact search answered."""

    backend: str  # that the configuration led to
    build_s: float
    resident_mib: float  # of a process that loads and searches the index; NaN for Milvus, which keeps the rows itself
    spent: list[Spent]  # on each of the timed queries
    exact: list[Spent]  # the same by exact search
    scores: Rows  # (Q, k) exact scores of the rows found, best first
    truth: Rows  # (Q, k) scores of the true neighbours, best first

    def recall_at(self, k: int) -> float:
        return float((self.scores[:, :k] >= self.truth[:, k - 1 : k] - SAME).mean())

    def percentile_ms(self, percent: float) -> float:
        return float(np.percentile([1e3 * each.elapsed_s for each in self.spent], percent))


def against_exact(
    rows: Rows, queries: Rows, k: int, config: IndexConfig, seed: int, timed: int, advance: Advance
) -> AgainstExact:
    """Build the configured index and an exact one, and search both.

    rows: (n, D) unit rows; queries: (Q, D) of which the first `timed` are timed one by one
    advance: called with 1 for each of the 2 * timed searches
    """
    exact = build_index(rows, EXACT, seed)
    began_s = time.perf_counter()
    index = build_index(rows, config, seed)
    build_s = time.perf_counter() - began_s
    sides = {name: partial(_search, each, queries, k) for name, each in (("exact", exact), ("index", index))}
    for search in sides.values():  # starts the threads
        search(0)
    spent = in_turn(sides, min(timed, len(queries)), advance)
    ids = index.search(queries, k).ids
    return AgainstExact(
        backend=index.backend,
        build_s=build_s,
        resident_mib=_resident_mib(index, config, queries[:1], k),
        spent=spent["index"],
        exact=spent["exact"],
        scores=-np.sort(-np.array([rows[found] @ query for found, query in zip(ids, queries, strict=True)]), axis=1),
        truth=exact.search(queries, k).scores,
    )


def _search(index: VectorIndex, queries: Rows, k: int, number: int) -> None:
    index.search(queries[number : number + 1], k)


def share_found(rows: Rows, queries: Rows, found: NDArray[np.int64]) -> float:
    """Return the share of the k nearest rows among the (Q, k) found ones; rows of equal score are interchangeable."""
    nearest = np.full((len(queries), found.shape[1]), -np.inf, np.float32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        scores = np.concatenate([nearest, queries @ rows[start : start + ROWS_AT_ONCE].T], axis=1)
        nearest = -np.partition(-scores, found.shape[1] - 1, axis=1)[:, : found.shape[1]]
    scores = np.array([rows[ids] @ query for ids, query in zip(found, queries, strict=True)])
    return float((scores >= nearest.min(axis=1, keepdims=True) - SAME).mean())


def _resident_mib(index: VectorIndex, config: IndexConfig, query: Rows, k: int) -> float:
    if config.uri is not None:
        return float("nan")
    with tempfile.TemporaryDirectory() as folder, multiprocessing.get_context("spawn").Pool(1) as fresh:
        index.save(Path(folder))
        return fresh.apply(_grown_by_mib, (Path(folder), config, index.dim, len(index), query, k))


def _grown_by_mib(folder: Path, config: IndexConfig, dim: int, count: int, query: Rows, k: int) -> float:
    build_index(query, EXACT)  # imports what the backends need
    before = now_mib()
    index = load_index(folder, config, dim, count)
    index.search(query, k)
    return now_mib() - before
