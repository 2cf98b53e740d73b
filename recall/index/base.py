"""The seam of vector search. Inner product of unit rows everywhere: higher is closer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """Q queries' nearest rows, best first; id -1 and score -inf pad where fewer than k were found."""

    ids: NDArray[np.int64]  # (Q, k)
    scores: NDArray[np.float32]  # (Q, k)

    def __post_init__(self) -> None:
        if self.ids.shape != self.scores.shape:
            raise ValueError(f"ids {self.ids.shape}, scores {self.scores.shape}")


class Searchable(Protocol):
    """Rows that can be searched, whether they are fixed or come and go."""

    @property
    def is_exact(self) -> bool: ...

    @property
    def dim(self) -> int: ...

    def __len__(self) -> int: ...

    def search(self, queries: NDArray[np.float32], k: int) -> SearchResult:
        """(Q, D) unit rows -> ids (Q, k) and scores (Q, k); ValueError on another width or on NaN.

        No place is a pad while there are rows that the answer lacks, in approximate indexes either.
        """


class VectorIndex(Searchable, Protocol):
    """Rows as they were built: none is added or removed, and the id of a row is its place."""

    def rows(self) -> NDArray[np.float32]:
        """(n, D) the rows in their places, as exactly as the index keeps them."""

    def save(self, folder: Path) -> None:
        """Write the index into an existing folder."""


def check_rows(rows: NDArray[np.float32], dim: int | None = None) -> NDArray[np.float32]:
    """Rows as contiguous float32, or ValueError: not 2-d, another width than dim, or a value that is not finite."""
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    if rows.ndim != 2 or (dim is not None and rows.shape[1] != dim):
        raise ValueError(f"rows of shape {rows.shape}, expected (n, {dim or 'D'})")
    if not np.isfinite(rows).all():
        raise ValueError("rows hold values that are not finite")
    return rows
