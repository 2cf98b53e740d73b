"""Division of interactions into what is learnt from and what is measured: last videos, or new videos.

    last   warm start: the last video of some users; learnt from is everything else
    new    cold start: a share of the videos is held out whole, with all their interactions

Nothing is tuned on the test part. The validation part is the same division of what the test part learns from, so that a
model never sees what the test part measures.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from tagging.config.random_streams import Stream
from tagging.errors import NothingToLearnError
from tagging.ragged import Ragged, starts_of
from tagging.types import Indices

HeldOut = Literal["last", "new"]
Part = Literal["test", "validation"]

NEW_SHARE = 0.1  # of the videos
MOST_CASES = 6000


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """C questions to a recommender: the history of a user, and the video that the user watched next."""

    users: Indices  # (C,) rows
    histories: Ragged  # C lists of video rows, each with a video or more
    targets: Indices  # (C,) video rows
    candidates: Indices  # (n,) rising rows of the videos that are ranked

    def __len__(self) -> int:
        return len(self.targets)

    def only(self, rows: Indices) -> "Cases":
        return Cases(self.users[rows], self.histories.only(rows), self.targets[rows], self.candidates)


@dataclass(frozen=True, slots=True, eq=False)
class Division:
    """Sequences to learn from and the cases to measure."""

    training: Ragged  # U lists of video rows
    cases: Cases


def divide(videos: Ragged, catalog: int, held_out: HeldOut, part: Part, seed: int) -> Division:
    """Divide the sequences of U users over a catalog of V videos; the seed draws users or videos.

    At most MOST_CASES cases are measured. A held-out video without a video before it is no case. Raises
    NothingToLearnError if there is no case.
    """
    divide_part = divide_last if held_out == "last" else divide_new
    if part == "test":
        return divide_part(videos, catalog, np.random.default_rng([seed, Stream.RECOMMENDATION_TEST]))
    learnt = divide(videos, catalog, held_out, "test", seed).training
    return divide_part(learnt, catalog, np.random.default_rng([seed, Stream.RECOMMENDATION_VALIDATION]))


def divide_last(videos: Ragged, catalog: int, generator: np.random.Generator) -> Division:
    """Hold out the last video of at most MOST_CASES users; all V videos are ranked."""
    lengths = np.diff(videos.starts)
    users = _drawn(np.flatnonzero(lengths > 1), generator)
    if not len(users):
        raise NothingToLearnError("no user has a video to hold out and one before it")
    kept = lengths.copy()
    kept[users] -= 1
    training = _heads(videos, kept)
    targets = videos.values[videos.starts[users + 1] - 1]
    return Division(training, Cases(users, training.only(users), targets, np.arange(catalog)))


def divide_new(videos: Ragged, catalog: int, generator: np.random.Generator) -> Division:
    """Hold out a share of the videos with a user; only they are ranked.

    The history of a case are the other videos before it.
    """
    watched = np.unique(videos.values)
    size = max(1, round(NEW_SHARE * len(watched)))
    is_new = np.zeros(catalog, np.bool_)
    is_new[generator.permutation(watched)[:size]] = True
    kept = ~is_new[videos.values]
    before = starts_of(kept)  # (interactions + 1,) kept ones before each
    users = np.repeat(np.arange(len(videos)), np.diff(videos.starts))
    lengths = before[:-1] - before[videos.starts[users]]  # (interactions,)
    positions = _drawn(np.flatnonzero(~kept & (lengths > 0)), generator)
    if not len(positions):
        raise NothingToLearnError("no user has a new video and another before it")
    training = Ragged(before[videos.starts], videos.values[kept])
    histories = _heads(training.only(users[positions]), lengths[positions])
    cases = Cases(users[positions], histories, videos.values[positions], np.flatnonzero(is_new))
    return Division(training, cases)


def _drawn(rows: Indices, generator: np.random.Generator) -> Indices:
    """Return at most MOST_CASES of the rows, rising."""
    return np.sort(generator.permutation(rows)[:MOST_CASES])


def _heads(lists: Ragged, lengths: Indices) -> Ragged:
    """Return the first `lengths` (n,) items of each of n lists."""
    position = np.arange(len(lists.values)) - np.repeat(lists.starts[:-1], np.diff(lists.starts))
    kept = position < np.repeat(lengths, np.diff(lists.starts))
    return Ragged(starts_of(lengths), lists.values[kept])
