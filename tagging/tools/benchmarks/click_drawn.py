"""Impressions drawn from sequences: each video that a user watched is a click, and a drawn one was not clicked.

The time is the share of the user's sequence, so that every user has the last part measured. A video is drawn from the
views of all users at about the same time, none that the user watched: in any part a video is then about as often
clicked as not, and popularity says nothing of a click. Drawn by all its views, a video that is clicked often in one
part would be clicked seldom in the others.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagging.config.random_streams import Stream
from tagging.errors import InvalidManifestError
from tagging.ragged import Ragged
from tagging.recommendation.clicks.table import USER, VIDEO, Column, ImpressionTable
from tagging.recommendation.interactions import Interactions
from tagging.types import Indices

LEAST_VIDEOS = 10  # of a user; fewer teach too little of what a user looks at
NEAR = 500  # views before and after that a video is drawn from


def drawn_impressions(interactions: Interactions, videos: int, seed: int) -> ImpressionTable:
    """Return two impressions for each view of a user with LEAST_VIDEOS videos: the view, and a drawn video.

    videos: V of the catalog. The names of the videos are their rows in it. Raises InvalidManifestError without such a
    user, and for a user who watched all videos that were viewed.
    """
    counts = np.diff(interactions.videos.starts)
    users = np.flatnonzero(counts >= LEAST_VIDEOS)
    if not len(users):
        raise InvalidManifestError(f"no user has {LEAST_VIDEOS} videos", "give users with more videos")
    views = interactions.videos.only(users)
    lengths = np.diff(views.starts)
    if lengths.max() >= len(np.unique(views.values)):
        raise InvalidManifestError("a user watched all videos", "give more users and videos")
    user = np.repeat(np.arange(len(users)), lengths)
    times = (np.arange(len(user)) - views.starts[user] + 1) / lengths[user]
    others = _not_watched(user, views.values, times, np.random.default_rng([seed, Stream.CLICK_NEGATIVES]))
    fields = {
        USER: _column([interactions.user_ids[row] for row in users.tolist()], np.tile(user, 2)),
        VIDEO: _column([str(row) for row in range(videos)], np.concatenate([views.values, others])),
    }
    clicked = np.arange(2 * len(user)) < len(user)
    return ImpressionTable(fields, clicked, np.tile(times, 2))


def _column(names: Sequence[str], rows: Indices) -> Column:
    return Column(tuple(names), Ragged(np.arange(len(rows) + 1), rows))


def _not_watched(user: Indices, video: Indices, times: NDArray[np.float64], generator: np.random.Generator) -> Indices:
    """Draw a video (n,) for each view, none that its user watched; from further away if a draw was one."""
    order = np.argsort(times, kind="stable")
    rank = np.argsort(order)
    width = video.max() + 1
    watched = user * width + video
    drawn, again, reach = video.copy(), np.arange(len(video)), NEAR
    while len(again):
        count = min(2 * reach + 1, len(video))
        first = np.clip(rank[again] - reach, 0, len(video) - count)
        drawn[again] = video[order[first + generator.integers(count, size=len(again))]]
        again = np.flatnonzero(np.isin(user * width + drawn, watched))
        reach *= 2
    return drawn
