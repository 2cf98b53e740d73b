"""The one place that knows which index backends there are."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recall.index.base import VectorIndex
from recall.index.flat import FlatIndex
from tagging.config import IndexConfig
from tagging.errors import ArtifactMismatchError


def build_index(rows: NDArray[np.float32], config: IndexConfig) -> VectorIndex:
    """An index over (n, D) unit rows; the id of a row is its place."""
    if config.backend == "flat":
        return FlatIndex(rows)
    from recall.index.faiss import FaissIndex

    return FaissIndex.build(rows)


def load_index(folder: Path, config: IndexConfig, dim: int, count: int) -> VectorIndex:
    """The index saved in a folder, which must have the stated width and number of rows."""
    index: VectorIndex
    if config.backend == "flat":
        index = FlatIndex.load(folder)
    else:
        from recall.index.faiss import FaissIndex

        index = FaissIndex.load(folder)
    if (index.dim, len(index)) != (dim, count):
        raise ArtifactMismatchError(
            f"{folder}: index of {len(index)} rows of width {index.dim}, the manifest says {count} of {dim}",
            "restore the bundle, or train it again",
        )
    return index
