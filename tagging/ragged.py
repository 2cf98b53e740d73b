"""Ragged arrays: lists of different lengths packed into one array, list n at values[starts[n]:starts[n + 1]].

`Ragged` has lists of whole numbers, such as the tags of videos or the videos of users; `Tokens` has what rankers read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tagging.types import FloatRows, Indices


def starts_of(lengths: ArrayLike) -> Indices:
    """Return the starts (n + 1,), rising from 0, of n packed lists of these lengths (n,)."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def lengths_of(starts: Indices, rows: Indices) -> Indices:
    """Return the lengths (m,) of some of the lists, without a pass over all of them; starts, rows: as `positions_of`"""
    return np.asarray(starts[rows + 1] - starts[rows], np.int64)


def positions_of(starts: Indices, rows: Indices) -> Indices:
    """Return the positions in the packed array of the items of some lists, one list after the other.

    starts: (n + 1,) of the packed lists
    rows:   (m,) the lists, in any order, repeats allowed
    """
    lengths = lengths_of(starts, rows)
    ends = np.cumsum(lengths, dtype=np.int64)
    positions = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts[rows] - (ends - lengths), lengths)
    return np.asarray(positions, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Ragged:
    """Lists of whole numbers, such as the catalog rows of videos' tags: list n is values[starts[n]:starts[n + 1]]."""

    starts: Indices  # (n + 1,) rising from 0
    values: Indices  # (items,)

    def __post_init__(self) -> None:
        if not len(self.starts) or self.starts[0] != 0 or self.starts[-1] != len(self.values):
            raise ValueError(f"starts {self.starts.shape} do not span {len(self.values)} values")

    def __len__(self) -> int:
        return len(self.starts) - 1

    @classmethod
    def of(cls, lists: Sequence[Sequence[int] | Indices]) -> "Ragged":
        """Pack lists; each may be empty."""
        rows = [np.asarray(values, np.int64) for values in lists]
        return cls(starts_of([len(values) for values in rows]), np.concatenate([np.zeros(0, np.int64), *rows]))

    def at(self, row: int) -> Indices:
        """Return the values of one list."""
        return self.values[self.starts[row] : self.starts[row + 1]]

    def only(self, rows: Indices) -> "Ragged":
        """Return some of the lists, in the order of `rows`; repeats are allowed."""
        lengths = lengths_of(self.starts, rows)
        return Ragged(starts_of(lengths), self.values[positions_of(self.starts, rows)])


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Words, frames or sound examples of n items, packed: item i has values[starts[i]:starts[i + 1]].

    An item has no token where the modality is missing.
    """

    starts: Indices  # (n + 1,) rising from 0
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
    def of(cls, items: Sequence[NDArray[np.floating] | None], dim: int) -> "Tokens":
        """Pack the tokens (T, dim) of each item; None where an item has none."""
        starts = starts_of([0 if tokens is None else len(tokens) for tokens in items])
        values = np.zeros((starts[-1], dim), np.float16)
        for row, tokens in enumerate(items):
            if tokens is not None:
                values[starts[row] : starts[row + 1]] = tokens
        return cls(starts, values)

    def at(self, row: int) -> FloatRows | None:
        """Return the tokens (T, D) of one item, None where it has none."""
        values = self.values[self.starts[row] : self.starts[row + 1]]
        return values.astype(np.float32) if len(values) else None

    def only(self, rows: Indices) -> "Tokens":
        """Return the tokens of some of the items, in the order of `rows`."""
        lengths = lengths_of(self.starts, rows)
        return Tokens(starts_of(lengths), self.values[positions_of(self.starts, rows)])


class WeightedRows:
    """Ragged rows of weighted items, such as the edges of a graph by their first end, to draw from.

    Row n has items[starts[n]:starts[n + 1]]; an item's probability is its share of the weights of its row.
    """

    def __init__(
        self, starts: NDArray[np.integer], items: NDArray[np.integer], weights: NDArray[np.integer | np.floating]
    ) -> None:
        """
        starts:  (N + 1,) rising from 0
        items:   (E,)
        weights: (E,) positive
        """
        self._starts = starts
        self._items = items
        integer = np.issubdtype(weights.dtype, np.integer)
        self._ends = np.cumsum(weights, dtype=np.int64 if integer else np.float64)
        self._offsets = np.concatenate([np.zeros(1, self._ends.dtype), self._ends])[starts]  # (N + 1,)

    @property
    def totals(self) -> NDArray[np.integer | np.floating]:
        """(N,) sum of the weights of each row."""
        return np.asarray(np.diff(self._offsets))

    def draw(self, rows: Indices, generator: np.random.Generator) -> Indices:
        """Draw an item of each of the (n,) rows; -1 for an empty row, and for the row -1.

        One number per row is taken from the generator, whatever the rows are.
        """
        first, last = self._starts[rows], self._starts[rows + 1] - 1
        low, high = self._offsets[rows], self._offsets[rows + 1]
        points = low + (generator.random(len(rows)) * (high - low)).astype(self._ends.dtype)
        usable = np.flatnonzero((rows >= 0) & (first <= last))
        usable = usable[np.argsort(points[usable])]  # random access to millions of edges would wait for memory
        found = np.searchsorted(self._ends, points[usable], side="right")
        drawn = np.full(len(rows), -1)
        drawn[usable] = self._items[np.clip(found, first[usable], last[usable])]
        return drawn
