"""Benchmark of vector index backends, on real embeddings grown synthetically to the required size.

The file holds (n, D) unit rows of real embeddings. A thousand of them are set aside as queries; the others are grown to
the required number (tagging/bench/embeddings.py). The reference is `faiss`, exact search (tagging/bench/indexes.py). A
run needs memory of about five times the rows, and disk space for one index.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tagging.bench.embeddings import EXACT, NEIGHBOURS, Rows, grow
from tagging.bench.indexes import AgainstExact, against_exact
from tagging.bench.timing import median_s
from tagging.config.recall import IndexConfig
from tagging.errors import InvalidConfigError

logger = logging.getLogger(__name__)

QUERIES = 1_000
TIMED = 200
HEADINGS = ("backend", "build s", "resident MiB", "p50 ms", "p99 ms", "p50 / faiss", "recall@10", "recall@{k}")


def measure(rows: Rows, queries: Rows, k: int, configs: Sequence[IndexConfig], seed: int) -> list[AgainstExact]:
    """Measure exact search first, then each backend against it."""
    measured = []
    for config in (EXACT, *configs):
        logger.info("%s: building over %d rows", config.backend, len(rows))
        measured.append(against_exact(rows, queries, k, config, seed, TIMED, lambda _: None))
        logger.info("%s: built in %.1f s", config.backend, measured[-1].build_s)
    return measured


def table(measured: Sequence[AgainstExact], k: int) -> str:
    """Format the measurements as a Markdown table."""
    lines = [
        [heading.format(k=k) for heading in HEADINGS],
        ["---"] * len(HEADINGS),
        *(
            [
                found.backend,
                f"{found.build_s:.1f}",
                "in Milvus" if np.isnan(found.resident_mib) else f"{found.resident_mib:.0f}",
                f"{found.percentile_ms(50):.2f}",
                f"{found.percentile_ms(99):.2f}",
                f"{median_s(found.spent) / median_s(found.exact):.3f}",
                f"{found.recall_at(10):.3f}",
                f"{found.recall_at(k):.3f}",
            ]
            for found in measured
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
        IndexConfig.model_validate({"backend": backend, "uri": uri if backend.startswith("milvus") else None})
        for backend in backends
    ]
    return table(measure(rows, queries, k, configs, seed), k)
