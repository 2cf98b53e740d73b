"""Long and short mode: much or little of the history of new users is known (Gao et al. 2017, section 4.2).

A fifth of the users is held out whole, so that nothing is learnt from them. The paper knows the first 9 or 3 of 12
months of each and measures on the others; where sequences have no times, those are shares of a sequence.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tagging.errors import NothingToLearnError
from tagging.ragged import Ragged, starts_of
from tagging.recommendation.split import Cases
from tagging.types import Indices

HELD_OUT = 0.2  # of the users
KNOWN: Mapping[str, float] = {"short": 3 / 12, "long": 9 / 12}  # of a sequence
TOP = 5


@dataclass(frozen=True, slots=True, eq=False)
class Mode:
    """C new users: what is known of them, and what they watched after that."""

    cases: Cases  # the target is the first video of `after`
    after: Ragged  # C lists of a video or more


@dataclass(frozen=True, slots=True, eq=False)
class UserDivision:
    training: Ragged  # sequences of the other users
    modes: Mapping[str, Mode]  # of the same users


def divide_users(videos: Ragged, catalog: int, generator: np.random.Generator) -> UserDivision:
    """Hold out users with two videos or more. Raises NothingToLearnError if there is none, or no other user."""
    able = generator.permutation(np.flatnonzero(np.diff(videos.starts) > 1))
    users = np.sort(able[: max(1, round(HELD_OUT * len(able)))])
    others = np.setdiff1d(np.arange(len(videos)), users)
    if not len(users) or not len(others):
        raise NothingToLearnError("no user can be held out: expected two users with two videos or more")
    held_out = videos.only(users)
    modes = {name: _mode(held_out, users, share, catalog) for name, share in KNOWN.items()}
    return UserDivision(videos.only(others), modes)


def top_measures(found: Indices, after: Ragged) -> dict[str, float]:
    """Return precision and recall at TOP, and the F-score of both means, as in the paper's tables.

    found: (C, TOP) recommendations; after: C lists of what was watched
    """
    hits = np.array([np.isin(row, after.at(case)).sum() for case, row in enumerate(found[:, :TOP])])
    precision = float(hits.mean() / TOP)
    recall = float((hits / np.diff(after.starts)).mean())
    return {
        f"P@{TOP}": precision,
        f"R@{TOP}": recall,
        f"F@{TOP}": 2 * precision * recall / (precision + recall) if hits.any() else 0.0,
    }


def _mode(sequences: Ragged, users: Indices, share: float, catalog: int) -> Mode:
    lengths = np.diff(sequences.starts)
    known = np.clip(np.floor(share * lengths).astype(np.int64), 1, lengths - 1)
    position = np.arange(len(sequences.values)) - np.repeat(sequences.starts[:-1], lengths)
    is_known = position < np.repeat(known, lengths)
    after = Ragged(starts_of(lengths - known), sequences.values[~is_known])
    histories = Ragged(starts_of(known), sequences.values[is_known])
    return Mode(Cases(users, histories, after.values[after.starts[:-1]], np.arange(catalog)), after)
