"""Vector index protocols. All indexes search unit rows by inner product: higher is closer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """The nearest rows of Q queries, best first, padded with id -1 and score -inf where fewer than k were found."""

    ids: NDArray[np.int64]  # (Q, k)
    scores: NDArray[np.float32]  # (Q, k)

    def __post_init__(self) -> None:
        if self.ids.shape != self.scores.shape:
            raise ValueError(f"ids {self.ids.shape}, scores {self.scores.shape}")


class Searchable(Protocol):
    """A searchable set of rows, fixed or changing."""

    @property
    def is_exact(self) -> bool: ...

    @property
    def dim(self) -> int: ...

    def __len__(self) -> int: ...

    def search(self, queries: NDArray[np.float32], k: int) -> SearchResult:
        """(Q, D) unit rows -> ids (Q, k) and scores (Q, k), best first.

        Results are padded only if the index holds fewer than k rows; this holds for approximate indexes too.
        Raises ValueError for another width and for NaN.
        """


class VectorIndex(Searchable, Protocol):
    """An index whose rows are fixed when it is built; the id of a row is its position."""

    @property
    def backend(self) -> str:
        """The name of its kind in the configuration."""

    def rows(self) -> NDArray[np.float32]:
        """The rows (n, D) in order of their ids, in the precision that the index stores."""

    def save(self, folder: Path) -> None:
        """Write the index into an existing folder."""


def check_rows(rows: NDArray[np.float32], dim: int | None = None) -> NDArray[np.float32]:
    """Return rows as contiguous float32; raise ValueError unless they are 2-d, `dim` wide and finite."""
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    if rows.ndim != 2 or (dim is not None and rows.shape[1] != dim):
        raise ValueError(f"rows of shape {rows.shape}, expected (n, {dim or 'D'})")
    if not np.isfinite(rows).all():
        raise ValueError("rows hold values that are not finite")
    return rows
