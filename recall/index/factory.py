"""Factory of the vector index backends: builds and loads an index by its configuration."""

from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from recall.index.base import VectorIndex
from recall.index.flat import FlatIndex
from tagging.config.recall import IndexConfig
from tagging.errors import ArtifactMismatchError, MissingPackageError

SEED = 7
# `auto` searches fewer rows exactly, in 10 ms for a query of 384 dimensions on one core (recall/BENCHMARKS.md).
MOST_EXACT_ROWS = 50_000


def build_index(rows: NDArray[np.float32], config: IndexConfig, seed: int = SEED) -> VectorIndex:
    """Build an index over (n, D) unit rows; the id of a row is its position. Backends that train on rows use `seed`.

    The backend `auto` becomes `faiss` for at most MOST_EXACT_ROWS rows, else `ivf-pq`.
    """
    if config.backend == "flat":
        return FlatIndex(rows)
    if config.uri is not None:
        index: VectorIndex = _milvus().MilvusIndex.build(rows, config.uri, config.backend)
        return index
    from recall.index import faiss

    if config.backend == "hnsw":
        return faiss.build_hnsw(rows)
    if config.backend == "ivf-pq" or (config.backend == "auto" and len(rows) > MOST_EXACT_ROWS):
        return faiss.build_ivf_pq(rows, seed)
    return faiss.build_flat(rows)


def load_index(folder: Path, config: IndexConfig, dim: int, count: int) -> VectorIndex:
    """Load the index saved in a folder; raise ArtifactMismatchError unless it has `count` rows of width `dim`."""
    index: VectorIndex
    if config.backend == "flat":
        index = FlatIndex.load(folder)
    elif config.uri is not None:
        index = _milvus().MilvusIndex.load(folder, config.uri)
    else:
        from recall.index import faiss

        index = faiss.load(folder)
    if (index.dim, len(index)) != (dim, count):
        raise ArtifactMismatchError(
            f"{folder}: index of {len(index)} rows of width {index.dim}, the manifest states {count} of {dim}",
            "restore the bundle, or train it again",
        )
    return index


def _milvus() -> ModuleType:
    try:
        from recall.index import milvus
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"the index backend milvus needs {error.name}", 'install it with: pip install "videotag[milvus]"'
        ) from error
    return milvus
