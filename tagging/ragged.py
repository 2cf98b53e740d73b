"""The values that flow through videotag, one way:

    VideoRef → MediaSample → ModalityFeatures → VideoEmbeddings → Candidates → TagScores → RankedTags

This module imports only the standard library and NumPy, so decode workers stay light.
Letters: T frames or sound examples, D embedding width, K candidates, C channels, Q queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class TagLists:
    """The tags of V labelled videos, as rows of the catalog: video v has tag_rows[starts[v]:starts[v + 1]]."""

    starts: NDArray[np.int64]  # (V + 1,) rising from 0
    tag_rows: NDArray[np.int64]  # (pairs,)

    def __post_init__(self) -> None:
        if not len(self.starts) or self.starts[0] != 0 or self.starts[-1] != len(self.tag_rows):
            raise ValueError(f"starts {self.starts.shape} do not span {len(self.tag_rows)} tag rows")

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, video_row: int) -> NDArray[np.int64]:
        return self.tag_rows[self.starts[video_row] : self.starts[video_row + 1]]


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Words, frames or sound examples of many things, packed: thing n has values[starts[n]:starts[n + 1]].

    A thing has none where the modality is missing.
    """

    starts: NDArray[np.int64]  # (n + 1,) rising from 0
    values: NDArray[np.float16]  # (tokens, D)

    def __post_init__(self) -> None:
        if not len(self.starts) or self.starts[0] != 0 or self.starts[-1] != len(self.values) or self.values.ndim != 2:
            raise ValueError(f"starts {self.starts.shape} do not span tokens {self.values.shape}")

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def dim(self) -> int:
        return int(self.values.shape[1])

    @classmethod
    def of(cls, things: Sequence[NDArray[np.floating] | None], dim: int) -> "Tokens":
        """things: (T, dim) each, None where there is nothing."""
        lengths = [0 if one is None else len(one) for one in things]
        values = np.zeros((sum(lengths), dim), np.float16)
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        for place, one in enumerate(things):
            if one is not None:
                values[starts[place] : starts[place + 1]] = one
        return cls(starts, values)

    def at(self, row: int) -> NDArray[np.float32] | None:
        """(T, D) of one thing."""
        values = self.values[self.starts[row] : self.starts[row + 1]]
        return values.astype(np.float32) if len(values) else None

    def only(self, rows: NDArray[np.int64]) -> "Tokens":
        """Some of the things, in the order of their rows."""
        lengths = np.diff(self.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], lengths)
        return Tokens(starts, self.values[places])
