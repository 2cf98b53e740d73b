"""Benchmark of vector index backends, on real embeddings grown synthetically to the required size.

The file holds (n, D) unit rows of real embeddings. A thousand of them are set aside as queries; the others are grown to
the required number: each further row is drawn between a real row and one of its ten nearest neighbours, plus noise of
0.3 of its length in a random direction. Grown rows differ from real ones. With half of 7,500 MiniLM title embeddings
grown back to 7,500, held-out queries saw neighbours 10 to 1,000 within 0.01 of the cosines of the real ones, and the
first at 0.66 instead of 0.68. Grown from a sixth, the first is at 0.62, neighbours are crowded (the 200th at 0.44
instead of 0.42) and spread in more directions (local dimension 26 instead of 23). So provide as many real rows as
possible, and treat recall at a growth of more than six as indicative only.

The reference is `faiss`, exact search: every query is timed on it and on the backend alternately, so that other load
affects both equally. If several rows have the score of a true neighbour, any of them counts as found. A run needs
memory of about five times the rows, and disk space for one index.
"""

import logging
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from recall.index.base import VectorIndex
from recall.index.factory import build_index, load_index
from tagging.config.recall import IndexConfig
from tagging.errors import InvalidConfigError

logger = logging.getLogger(__name__)

NEIGHBOURS = 10
NOISE = 0.3
ROWS_AT_ONCE = 65_536
QUERIES = 1_000
TIMED = 200
HEADINGS = ("backend", "build s", "resident MiB", "p50 ms", "p99 ms", "p50 / faiss", "recall@10", "recall@{k}")
EXACT = IndexConfig(backend="faiss")
SAME = 1e-5  # largest difference of scores that count as equal

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Measured:
    backend: str
    build_s: float
    resident_mib: float  # of a process that loads and searches the index; NaN for Milvus, which keeps the rows itself
    p50_ms: float  # of one query
    p99_ms: float
    ratio: float  # of p50 to the p50 of exact search in the same minutes
    recall_at_10: float
    recall_at_k: float


def grow(real: Rows, count: int, rng: np.random.Generator) -> Rows:
    """Return (count, D) unit rows, the real ones first, then interpolated ones (see the module docstring)."""
    parents = rng.integers(0, len(real), max(0, count - len(real)))
    return np.concatenate([real[:count], between(real, parents, rng)])


def between(real: Rows, parents: NDArray[np.int64], rng: np.random.Generator) -> Rows:
    """Return (n, D) unit rows, each between its real parent row and one of the nearest neighbours of that row."""
    if not len(parents):
        return np.zeros((0, real.shape[1]), np.float32)
    index = build_index(real, EXACT)
    neighbours = np.concatenate(
        [index.search(real[start : start + 1_024], NEIGHBOURS + 1).ids[:, 1:] for start in range(0, len(real), 1_024)]
    )
    rows = np.empty((len(parents), real.shape[1]), np.float32)
    for start in range(0, len(parents), ROWS_AT_ONCE):
        batch = parents[start : start + ROWS_AT_ONCE]
        other = neighbours[batch, rng.integers(0, NEIGHBOURS, len(batch))]
        share = rng.random((len(batch), 1), np.float32)
        middle = _unit(share * real[batch] + (1 - share) * real[other])
        noise = _unit(rng.standard_normal(middle.shape, np.float32))
        rows[start : start + len(batch)] = _unit(middle + NOISE * noise)
    return rows


def measure(rows: Rows, queries: Rows, k: int, configs: Sequence[IndexConfig], seed: int) -> list[Measured]:
    """Measure exact search first, then each backend against it."""
    exact, exact_s = _built(rows, EXACT, seed)
    truth = exact.search(queries, k).scores
    measured = []
    for config in (EXACT, *configs):
        index, build_s = (exact, exact_s) if config is EXACT else _built(rows, config, seed)
        exact_ms, index_ms = _times_ms([exact, index], queries[:TIMED], k)
        ids = index.search(queries, k).ids
        scores = np.array([rows[found] @ query for found, query in zip(ids, queries, strict=True)])
        measured.append(
            Measured(
                backend=config.backend,
                build_s=build_s,
                resident_mib=_resident_mib(index, config, queries[:1], k),
                p50_ms=float(np.percentile(index_ms, 50)),
                p99_ms=float(np.percentile(index_ms, 99)),
                ratio=float(np.median(index_ms) / np.median(exact_ms)),
                recall_at_10=_recall(scores, truth, 10),
                recall_at_k=_recall(scores, truth, k),
            )
        )
    return measured


def table(measured: Sequence[Measured], k: int) -> str:
    """Format the measurements as a Markdown table."""
    lines = [
        [heading.format(k=k) for heading in HEADINGS],
        ["---"] * len(HEADINGS),
        *(
            [
                result.backend,
                f"{result.build_s:.1f}",
                "in Milvus" if np.isnan(result.resident_mib) else f"{result.resident_mib:.0f}",
                f"{result.p50_ms:.2f}",
                f"{result.p99_ms:.2f}",
                f"{result.ratio:.3f}",
                f"{result.recall_at_10:.3f}",
                f"{result.recall_at_k:.3f}",
            ]
            for result in measured
        ),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def compare_backends(
    embeddings: Path, count: int, dim: int | None, backends: Sequence[str], uri: str | None, k: int, seed: int
) -> str:
    """Grow real embeddings to `count` rows, measure each backend on them and return a Markdown table.

    embeddings: .npy file of (n, D) unit rows; dim: the D to require; uri: address of Milvus; k: rows per answer.
    Raises InvalidConfigError for an array of another shape.
    """
    real = np.load(embeddings, mmap_mode="r", allow_pickle=False)
    if real.ndim != 2 or dim not in (None, real.shape[1]) or len(real) < 2 * NEIGHBOURS:
        raise InvalidConfigError(
            f"{embeddings} holds an array {real.shape}, expected ({2 * NEIGHBOURS} or more, {dim or 'D'})"
        )
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(real))
    query_count = min(QUERIES, len(real) // 2)
    queries, real = np.asarray(real[order[:query_count]], np.float32), np.asarray(real[order[query_count:]], np.float32)
    rows = grow(real, count, rng)
    logger.info("%d real rows grown to %d, %d queries", len(real), len(rows), len(queries))
    configs = [
        IndexConfig.model_validate({"backend": backend, "uri": uri if backend == "milvus" else None})
        for backend in backends
    ]
    return table(measure(rows, queries, k, configs, seed), k)


def share_found(rows: Rows, queries: Rows, found: NDArray[np.int64]) -> float:
    """Return the share of the k nearest rows among the (Q, k) found ones; rows of equal score are interchangeable."""
    nearest = np.full((len(queries), found.shape[1]), -np.inf, np.float32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        scores = np.concatenate([nearest, queries @ rows[start : start + ROWS_AT_ONCE].T], axis=1)
        nearest = -np.partition(-scores, found.shape[1] - 1, axis=1)[:, : found.shape[1]]
    scores = np.array([rows[ids] @ query for ids, query in zip(found, queries, strict=True)])
    return float((scores >= nearest.min(axis=1, keepdims=True) - SAME).mean())


def _unit(rows: Rows) -> Rows:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _built(rows: Rows, config: IndexConfig, seed: int) -> tuple[VectorIndex, float]:
    """Return the index and its build time in seconds."""
    logger.info("%s: building over %d rows", config.backend, len(rows))
    started = time.perf_counter()
    index = build_index(rows, config, seed)
    build_s = time.perf_counter() - started
    logger.info("%s: built in %.1f s", config.backend, build_s)
    return index, build_s


def _times_ms(indexes: Sequence[VectorIndex], queries: Rows, k: int) -> list[list[float]]:
    """Return the milliseconds of each query, per index. The order alternates: the second index finds warm threads."""
    times: list[list[float]] = [[] for _ in indexes]
    for number, query in enumerate(queries):
        for index, taken in list(zip(indexes, times, strict=True))[:: 1 - 2 * (number % 2)]:
            started = time.perf_counter()
            index.search(query[np.newaxis], k)
            taken.append(1e3 * (time.perf_counter() - started))
    return times


def _recall(scores: Rows, truth: Rows, k: int) -> float:
    """Return recall at k from (Q, k or more) exact scores, best first, of the rows found and of the true neighbours."""
    return float((scores[:, :k] >= truth[:, k - 1 : k] - SAME).mean())


def _resident_mib(index: VectorIndex, config: IndexConfig, query: Rows, k: int) -> float:
    if config.backend == "milvus":
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


def now_mib() -> float:
    """Return the resident memory of this process in MiB."""
    return float(psutil.Process().memory_info().rss) / 2**20
