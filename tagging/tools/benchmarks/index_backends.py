"""Benchmark of vector index backends, on a bundle's embeddings grown to the required number of rows.

A thousand of the embeddings of its labelled texts, or of its tags' names, are set aside as queries; the others are
grown (tagging/bench/embeddings.py) into a temporary file. The reference is exact search (tagging/bench/indexes.py). A
run needs disk space for the rows and one index, and memory for one index and its building.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from tagging.bench.embeddings import Rows, grown_file
from tagging.bench.figure import Row
from tagging.bench.indexes import AgainstExact, against_exact, nearest_scores
from tagging.bench.search import embeddings_of
from tagging.bench.timing import median_s
from tagging.bundle.manifest import BUNDLE
from tagging.config.base import first_fault
from tagging.config.recall import IndexConfig
from tagging.errors import InvalidConfigError
from tagging.progress import Progress

logger = logging.getLogger(__name__)

QUERIES = 1_000
TIMED = 200


def compare_backends(
    bundle: Path, count: int, backends: Sequence[str], uri: str | None, k: int, seed: int, progress: Progress
) -> dict[str, list[Row]]:
    """Grow the bundle's embeddings to `count` rows and measure each backend on them.

    uri: address of Milvus; k: rows per answer
    Raises InvalidConfigError for an unknown backend or too few embeddings, ArtifactError for a damaged bundle,
    VideotagError if the rows do not fit on the disk.
    """
    configs = [_config(backend, uri) for backend in backends]
    rng = np.random.default_rng(seed)
    real = embeddings_of(bundle, BUNDLE.read(bundle))
    real = real[rng.permutation(len(real))]
    queries, real = np.split(real, [min(QUERIES, len(real) // 2)])
    logger.info("%d real rows grow to %d, %d queries", len(real), count, len(queries))
    with grown_file(real, count, rng) as rows:
        measured = _measure(rows, queries, k, configs, seed, progress)
    return {f"{count:,} rows, {min(count, len(real)):,} of them real, k = {k}": [_row(found, k) for found in measured]}


def _config(backend: str, uri: str | None) -> IndexConfig:
    try:
        return IndexConfig.model_validate({"backend": backend, "uri": uri if backend.startswith("milvus") else None})
    except ValidationError as error:
        raise InvalidConfigError(f"index backend {backend}: {first_fault(error)}") from error


def _measure(
    rows: Rows, queries: Rows, k: int, configs: Sequence[IndexConfig], seed: int, progress: Progress
) -> list[AgainstExact]:
    with progress.track("exact answers", len(rows)) as advance:
        truth = nearest_scores(rows, queries, k, advance)
    timed = min(TIMED, len(queries))
    measured = []
    with progress.track("search", 2 * timed * len(configs)) as advance:
        for config in configs:
            logger.info("%s: building over %d rows", config.backend, len(rows))
            measured.append(against_exact(rows, queries, truth, config, seed, timed, advance))
            logger.info("%s: built in %.1f s", config.backend, measured[-1].build_s)
    return measured


def _row(found: AgainstExact, k: int) -> Row:
    return {
        "backend": found.backend,
        "build s": round(found.build_s, 1),
        "resident MiB": "in Milvus" if np.isnan(found.resident_mib) else round(found.resident_mib),
        "p50 ms": round(found.percentile_ms(50), 2),
        "p99 ms": round(found.percentile_ms(99), 2),
        "p50 / exact": round(median_s(found.spent) / median_s(found.exact), 3),
        "recall@10": round(found.recall_at(10), 3),
        f"recall@{k}": round(found.recall_at(k), 3),
    }
