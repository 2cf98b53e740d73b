"""Division of interactions into what is learnt from and what is measured: last videos, or new videos.

    last   warm start: the last video of each user; learnt from are the videos before it
    new    cold start: a share of the videos is held out whole, with all their interactions

Nothing is tuned on the test part. The validation part is the same division of what the test part learns from, so the
two never share a held-out video of a user.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tagging.config.random_streams import Stream
from tagging.ragged import TagLists, starts_of
from tagging.types import Indices

HeldOut = Literal["last", "new"]
Part = Literal["test", "validation"]

NEW_SHARE = 0.1  # of the videos
LEAST_HISTORY = 1  # videos before the one that is held out


@dataclass(frozen=True, slots=True, eq=False)
class Cases:
    """C questions to a recommender: the history of a user, and the video that the user watched next."""

    users: Indices  # (C,) rows
    histories: TagLists  # C lists of video rows, each with a video or more
    targets: Indices  # (C,) video rows
    candidates: Indices  # (n,) rising rows of the videos that are ranked

    def __len__(self) -> int:
        return len(self.targets)

    def only(self, rows: Indices) -> "Cases":
        return Cases(self.users[rows], self.histories.only(rows), self.targets[rows], self.candidates)


@dataclass(frozen=True, slots=True, eq=False)
class Division:
    """Sequences to learn from and the cases to measure."""

    training: TagLists  # U lists of video rows
    cases: Cases


def divide(videos: TagLists, catalog: int, held_out: HeldOut, part: Part, seed: int) -> Division:
    """Divide the sequences of U users over a catalog of V videos; the seed draws the new videos.

    A held-out video without a video before it is no case. Raises ValueError if there is no case.
    """
    return (divide_last if held_out == "last" else divide_new)(videos, catalog, part, seed)


def divide_last(videos: TagLists, catalog: int, part: Part, seed: int) -> Division:
    """Hold out the last video of each user; all V videos are ranked. The seed draws nothing."""
    ends = videos.starts[1:] - (part == "validation")
    lengths = ends - videos.starts[:-1]  # with the held-out video
    users = np.flatnonzero(lengths > LEAST_HISTORY)
    if not len(users):
        raise ValueError("no user has a video to hold out and one before it")
    training = _heads(videos, np.where(lengths > LEAST_HISTORY, lengths - 1, np.maximum(lengths, 0)))
    targets = videos.tag_rows[ends[users] - 1]
    return Division(training, Cases(users, training.only(users), targets, np.arange(catalog)))


def divide_new(videos: TagLists, catalog: int, part: Part, seed: int) -> Division:
    """Hold out a share of the videos whole; only they are ranked. A case's history are the other videos before it."""
    generator = np.random.default_rng([seed, Stream.NEW_VIDEOS])
    number = generator.permutation(catalog)
    size = max(1, round(NEW_SHARE * catalog))
    is_new = number < size
    if part == "validation":
        videos = _without(videos, is_new)
        is_new = (number >= size) & (number < 2 * size)
    kept = ~is_new[videos.tag_rows]
    before = starts_of(kept)  # (interactions + 1,) kept ones before each
    users = np.repeat(np.arange(len(videos)), np.diff(videos.starts))
    positions = np.flatnonzero(~kept & (before[:-1] - before[videos.starts[users]] >= LEAST_HISTORY))
    if not len(positions):
        raise ValueError("no user has a new video and another before it")
    training = _without(videos, is_new)
    histories = _heads(training.only(users[positions]), before[positions] - before[videos.starts[users[positions]]])
    cases = Cases(users[positions], histories, videos.tag_rows[positions], np.flatnonzero(is_new))
    return Division(training, cases)


def _without(videos: TagLists, removed: NDArray[np.bool_]) -> TagLists:
    kept = ~removed[videos.tag_rows]
    return TagLists(starts_of(kept)[videos.starts], videos.tag_rows[kept])


def _heads(lists: TagLists, lengths: Indices) -> TagLists:
    """Return the first `lengths` (n,) items of each of n lists."""
    position = np.arange(len(lists.tag_rows)) - np.repeat(lists.starts[:-1], np.diff(lists.starts))
    kept = position < np.repeat(lengths, np.diff(lists.starts))
    return TagLists(starts_of(lengths), lists.tag_rows[kept])
