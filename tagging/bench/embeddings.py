"""Real embeddings grown to any number of rows, for measurements of indexes.

Each further row is drawn between a real row and one of its ten nearest neighbours, plus noise of 0.3 of its length in a
random direction. Grown rows differ from real ones. With half of 7,500 MiniLM title embeddings grown back to 7,500,
held-out queries saw neighbours 10 to 1,000 within 0.01 of the cosines of the real ones, and the first at 0.66 instead
of 0.68. Grown from a sixth, the first is at 0.62, neighbours are crowded (the 200th at 0.44 instead of 0.42) and spread
in more directions (local dimension 26 instead of 23). So provide as many real rows as possible, and treat recall at a
growth of more than six as indicative only.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recall.index.factory import build_index
from tagging.config.recall import IndexConfig
from tagging.errors import VideotagError

NEIGHBOURS = 10
NOISE = 0.3
ROWS_AT_ONCE = 65_536
EXACT = IndexConfig(backend="faiss")

Rows = NDArray[np.float32]


def grow(real: Rows, count: int, rng: np.random.Generator) -> Rows:
    """Return (count, D) unit rows, the real ones first, then interpolated ones (see the module docstring)."""
    rows = np.empty((count, real.shape[1]), np.float32)
    _grow_into(rows, real, rng)
    return rows


@contextmanager
def grown_file(real: Rows, count: int, rng: np.random.Generator) -> Iterator[Rows]:
    """Yield the rows of `grow` mapped from a temporary file, which may be larger than the memory.

    Raises VideotagError if the folder of temporary files (TMPDIR) has too little space.
    """
    with tempfile.TemporaryDirectory() as folder:
        # A mapped file is written by page faults: on a full disk these are a signal instead of an error.
        needed, free = 4 * count * real.shape[1], shutil.disk_usage(folder).free
        if needed > free:
            raise VideotagError(
                f"{count} rows need {needed / 2**20:,.0f} MiB, {Path(folder).parent} has {free / 2**20:,.0f} MiB free",
                "let TMPDIR name a folder with more space",
            )
        path = Path(folder) / "rows.npy"
        _grow_into(np.lib.format.open_memmap(path, "w+", np.float32, (count, real.shape[1])), real, rng)
        yield np.load(path, mmap_mode="r")


def between(real: Rows, parents: NDArray[np.int64], rng: np.random.Generator) -> Rows:
    """Return (n, D) unit rows, each between its real parent row and one of the nearest neighbours of that row."""
    rows = np.empty((len(parents), real.shape[1]), np.float32)
    _fill_between(rows, real, parents, rng)
    return rows


def _grow_into(rows: Rows, real: Rows, rng: np.random.Generator) -> None:
    parents = rng.integers(0, len(real), max(0, len(rows) - len(real)))
    rows[: len(real)] = real[: len(rows)]
    _fill_between(rows[len(real) :], real, parents, rng)


def _fill_between(rows: Rows, real: Rows, parents: NDArray[np.int64], rng: np.random.Generator) -> None:
    if not len(parents):
        return
    index = build_index(real, EXACT)
    neighbours = np.concatenate(
        [index.search(real[start : start + 1_024], NEIGHBOURS + 1).ids[:, 1:] for start in range(0, len(real), 1_024)]
    )
    for start in range(0, len(parents), ROWS_AT_ONCE):
        batch = parents[start : start + ROWS_AT_ONCE]
        other = neighbours[batch, rng.integers(0, NEIGHBOURS, len(batch))]
        share = rng.random((len(batch), 1), np.float32)
        middle = _unit(share * real[batch] + (1 - share) * real[other])
        noise = _unit(rng.standard_normal(middle.shape, np.float32))
        rows[start : start + len(batch)] = _unit(middle + NOISE * noise)


def _unit(rows: Rows) -> Rows:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
