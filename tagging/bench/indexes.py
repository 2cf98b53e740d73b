"""Vector indexes against exact search over the same rows: recall, time of a query, memory, build time.

Rows may be mapped from a file that is larger than the memory: exact answers are found part by part, and exact search is
timed on at most EXACT_ROWS rows, in turn with the index, and counted n / EXACT_ROWS times, as it compares all rows.
If several rows have the score of a true neighbour, any of them counts as found.
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
EXACT_ROWS = 1_000_000


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
    rows: Rows, queries: Rows, truth: Rows, config: IndexConfig, seed: int, timed: int, advance: Advance
) -> AgainstExact:
    """Build the configured index, and search it and exactly in turn.

    rows: (n, D) unit rows; queries: (Q, D) of which the first `timed` are timed one by one
    truth: (Q, k) scores of `nearest_scores`, for answers of k rows
    advance: called with 1 for each of the 2 * timed searches
    """
    k = truth.shape[1]
    with tempfile.TemporaryDirectory() as folder:
        backend, build_s = _built(rows, config, seed, Path(folder))
        resident_mib = _resident_mib(Path(folder), config, rows.shape, queries[:1], k)
        index = load_index(Path(folder), config, rows.shape[1], len(rows))
    part = build_index(np.array(rows[:EXACT_ROWS]), EXACT)
    sides = {name: partial(_search, each, queries, k) for name, each in (("exact", part), ("index", index))}
    for search in sides.values():  # starts the threads
        search(0)
    spent = in_turn(sides, min(timed, len(queries)), advance)
    parts = len(rows) / len(part)
    return AgainstExact(
        backend=backend,
        build_s=build_s,
        resident_mib=resident_mib,
        spent=spent["index"],
        exact=[Spent(parts * each.elapsed_s, parts * each.cpu_s) for each in spent["exact"]],
        scores=_scores(rows, queries, index.search(queries, k).ids),
        truth=truth,
    )


def nearest_scores(rows: Rows, queries: Rows, k: int, advance: Advance) -> Rows:
    """Return the (Q, k) inner products of the k nearest of (n, D) rows, best first, padded with -inf.

    advance: called with the number of rows of each part that was searched
    """
    nearest = np.full((len(queries), k), -np.inf, np.float32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = np.array(rows[start : start + ROWS_AT_ONCE])
        both = np.concatenate([nearest, build_index(part, EXACT).search(queries, k).scores], axis=1)
        nearest = -np.sort(-both, axis=1)[:, :k]
        advance(len(part))
    return nearest


def share_found(rows: Rows, queries: Rows, found: NDArray[np.int64]) -> float:
    """Return the share of the k nearest rows among the (Q, k) found ones; rows of equal score are interchangeable."""
    nearest = nearest_scores(rows, queries, found.shape[1], lambda _: None)
    return float((_scores(rows, queries, found) >= nearest[:, -1:] - SAME).mean())


def _search(index: VectorIndex, queries: Rows, k: int, number: int) -> None:
    index.search(queries[number : number + 1], k)


def _scores(rows: Rows, queries: Rows, found: NDArray[np.int64]) -> Rows:
    """Return the (Q, k) scores of found rows, best first; a mapped file is slow to read out of order."""
    scores = np.full(found.shape, -np.inf, np.float32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = np.array(rows[start : start + ROWS_AT_ONCE])
        query, slot = np.nonzero((found >= start) & (found < start + len(part)))
        scores[query, slot] = np.einsum("nd,nd->n", part[found[query, slot] - start], queries[query])
    return -np.sort(-scores, axis=1)


def _built(rows: Rows, config: IndexConfig, seed: int, folder: Path) -> tuple[str, float]:
    """Build and save the index; return its backend and the seconds of building."""
    began_s = time.perf_counter()
    index = build_index(rows, config, seed)
    build_s = time.perf_counter() - began_s
    index.save(folder)
    return index.backend, build_s


def _resident_mib(folder: Path, config: IndexConfig, shape: tuple[int, ...], query: Rows, k: int) -> float:
    if config.uri is not None:
        return float("nan")
    with multiprocessing.get_context("spawn").Pool(1) as fresh:
        return fresh.apply(_grown_by_mib, (folder, config, shape, query, k))


def _grown_by_mib(folder: Path, config: IndexConfig, shape: tuple[int, int], query: Rows, k: int) -> float:
    count, dim = shape
    build_index(query, EXACT)  # imports what the backends need
    before = now_mib()
    index = load_index(folder, config, dim, count)
    index.search(query, k)
    return now_mib() - before
