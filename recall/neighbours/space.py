"""Space of neighbour search: the rows of an encoder without the direction that they have in common.

Encoders differ in the cosine of two unrelated videos: about 0.4 for EfficientNet, 0.85 for E5, because all rows share a
direction (Mu and Viswanath 2018, "All-but-the-Top"). Without the mean of the labelled videos' rows, that cosine is
about 0, whatever the encoder, and the differences between videos that are left decide who is near.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tagging.types import FloatRows

FEW = 50  # videos, at which half of their mean is taken away: a few are no sample of the space


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourSpace:
    """The point that becomes the origin."""

    centre: FloatRows  # (D,), shorter than a unit row

    def __post_init__(self) -> None:
        if self.centre.ndim != 1 or not np.linalg.norm(self.centre) < 1:
            raise ValueError(f"a centre of shape {self.centre.shape} that is not shorter than 1")

    @property
    def dim(self) -> int:
        return len(self.centre)

    @classmethod
    def around(cls, rows: FloatRows) -> "NeighbourSpace":
        """Return the space of the unit rows (n, D) of labelled videos; that of few videos is moved less."""
        return cls((rows.sum(axis=0, dtype=np.float64) / (len(rows) + FEW)).astype(np.float32))

    @classmethod
    def unmoved(cls, dim: int) -> "NeighbourSpace":
        """Return the space in which unit rows (n, D) stay as they are."""
        return cls(np.zeros(dim, np.float32))

    def rows(self, rows: FloatRows) -> FloatRows:
        """Unit rows (n, D) of the encoder -> unit rows (n, D) of this space."""
        moved: FloatRows = rows - self.centre
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        return moved

    def save(self, folder: Path) -> None:
        np.save(folder / "centre.npy", self.centre, allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> "NeighbourSpace":
        """Raises ValueError for a centre that no space has."""
        return cls(np.load(folder / "centre.npy", allow_pickle=False))
