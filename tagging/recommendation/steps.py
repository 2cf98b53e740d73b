"""Steps of training on sequences: windows of users and drawn negatives, which all cases of a step share."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tagging.ragged import Ragged, starts_of
from tagging.types import Indices

NO_NEGATIVE = -1e9  # logit; finite, as a user of a small catalog may have watched all that was drawn


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """The last videos of B users, and M drawn videos. A case is a video with a next one: P in all."""

    mask: NDArray[np.bool_]  # (B, T) True at the places of the videos, from the left
    distinct: Indices  # (n,) rising rows of the videos of the step
    where: Indices  # (B, T) positions in `distinct`; 0 where there is no video
    drawn: Indices  # (M,) positions in `distinct`
    log_expected: NDArray[np.float32]  # (M,) log of the expected number of draws of each

    @classmethod
    def of(
        cls, windows: Indices, mask: NDArray[np.bool_], negatives: Indices, log_expected: NDArray[np.float32]
    ) -> "Step":
        """windows, mask: (B, T) video rows of users; negatives: (M,) video rows"""
        distinct, positions = np.unique(np.concatenate([windows[mask], negatives]), return_inverse=True)
        where = np.zeros(windows.shape, np.int64)
        where[mask], drawn = positions[: mask.sum()], positions[mask.sum() :]
        return cls(mask, distinct, where, drawn, log_expected)

    @property
    def is_case(self) -> NDArray[np.bool_]:
        """(B, T - 1) True at the videos of the histories: a video of a history has a next one."""
        return self.mask[:, 1:]

    @property
    def watched(self) -> Tensor:
        """(P,) positions in `distinct` of the videos of the histories."""
        return torch.from_numpy(self.where[:, :-1][self.is_case])

    def cosines(self, cases: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return the products (P,) of each case with its next video, and (P, M) with the drawn videos.

        cases: (P, D); vectors: (n, D) of the distinct videos
        """
        following = vectors[torch.from_numpy(self.where[:, 1:][self.is_case])]
        return (cases * following).sum(dim=1), cases @ vectors[torch.from_numpy(self.drawn)].T

    def without_own(self, negative: Tensor) -> Tensor:
        """Return logits (P, M) of the drawn videos, far below 0 where a video is one of the user's own."""
        own = np.zeros((len(self.where), len(self.distinct)), np.bool_)
        own[np.nonzero(self.mask)[0], self.where[self.mask]] = True
        of_case = own[:, self.drawn][np.nonzero(self.is_case)[0]]
        return negative.masked_fill(torch.from_numpy(of_case), NO_NEGATIVE)


def batches_by_length(
    users: Indices, lengths: Indices, interactions: int, generator: np.random.Generator
) -> Iterator[Indices]:
    """Yield batches of users of about equal length, each user once an epoch, without end.

    users: rows; lengths: (U,) of their sequences; interactions: the approximate sum of lengths of a batch
    """
    while True:
        order = generator.permutation(users)
        order = order[np.argsort(lengths[order], kind="stable")]
        number = (np.cumsum(lengths[order]) - 1) // interactions
        batches = np.split(order, np.flatnonzero(np.diff(number)) + 1)
        yield from (batches[position] for position in generator.permutation(len(batches)).tolist())


class Draws:
    """Draws of negatives by a power of their number of users; videos without users are not drawn."""

    def __init__(self, counts: NDArray[np.int64], power: float, negatives: int) -> None:
        weights = np.where(counts > 0, np.maximum(counts, 1) ** power, 0.0)
        self._shares = weights / weights.sum()
        self._negatives = negatives
        with np.errstate(divide="ignore"):
            self.log_expected = np.log(negatives * self._shares).astype(np.float32)  # (V,)

    def draw(self, generator: np.random.Generator) -> Indices:
        """Return (M,) video rows, with replacement."""
        return generator.choice(len(self._shares), self._negatives, p=self._shares)


def only_known(sequences: Ragged, known: NDArray[np.bool_]) -> Ragged:
    """Return the sequences without the videos of which nothing is known; known: (V,)."""
    kept = known[sequences.values]
    return Ragged(starts_of(kept)[sequences.starts], sequences.values[kept])


def last_windows(sequences: Ragged, most: int) -> tuple[Indices, NDArray[np.bool_]]:
    """Return the last `most` videos of each of B sequences: rows (B, T), 0 behind shorter ones, and the mask (B, T)."""
    lengths = np.minimum(np.diff(sequences.starts), most)
    column = np.arange(max(1, int(lengths.max(initial=0))))
    mask = column < lengths[:, None]
    rows = np.zeros(mask.shape, np.int64)
    rows[mask] = sequences.values[((sequences.starts[1:] - lengths)[:, None] + column)[mask]]
    return rows, mask
