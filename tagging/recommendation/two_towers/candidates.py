"""Candidates for new videos, which no user has watched: the videos for each user, or the users for each video."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recall.index.factory import build_index
from tagging.config.recall import IndexConfig
from tagging.progress import Progress
from tagging.ragged import Ragged
from tagging.recommendation.interactions import Interactions, read_interactions
from tagging.recommendation.two_towers.new_videos import encode_new_videos
from tagging.store.features import FeatureStore
from tagging.types import FloatRows, Indices

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    id: str  # of a video, or of a user
    score: float  # cosine in [-1, 1]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Users and new videos in the space of a model."""

    user_ids: Sequence[str]
    users: FloatRows  # (U, D) unit rows; zeros for a user without a video that says anything
    video_ids: Sequence[str]
    videos: FloatRows  # (n, D) unit rows; zeros for a video without any view
    watched: Ragged  # U lists of rows of the new videos, which are no candidates of the user

    def of_users(self, count: int) -> dict[str, list[Candidate]]:
        """Return the best videos of each user, best first; none for a user who is unknown to the model."""
        return _nearest(self.user_ids, self.users, self.video_ids, self.videos, self.watched, count)

    def of_videos(self, count: int) -> dict[str, list[Candidate]]:
        """Return the best users of each video, best first; none for a video of which nothing is known."""
        rows = np.repeat(np.arange(len(self.watched)), np.diff(self.watched.starts))
        viewers = [rows[self.watched.values == video] for video in range(len(self.video_ids))]
        return _nearest(self.video_ids, self.videos, self.user_ids, self.users, Ragged.of(viewers), count)


def find_candidates(
    folder: Path,
    manifests: Sequence[Path],
    columns: Mapping[str, str],
    interactions: Path,
    store: FeatureStore,
    progress: Progress,
) -> Candidates:
    """Return users and new videos in the space of a model.

    manifests:    the new videos
    interactions: what the users have watched, of the videos of the model and of the new ones
    Raises InvalidManifestError for a video that the model was trained with, and ArtifactError for a model that is
    missing, damaged or of other encoders. The log names the new videos of which nothing is known.
    """
    new = encode_new_videos(folder, manifests, columns, store, progress)
    if unknown := new.without_any_view:
        logger.warning("cannot be recommended, as nothing is known of them: %s", ", ".join(unknown))
    watched = read_interactions(interactions, [*new.trained_ids, *new.video_ids])
    return Candidates(
        user_ids=watched.user_ids,
        users=new.model.users(watched.videos),
        video_ids=new.video_ids,
        videos=new.vectors,
        watched=_of_new(watched, len(new.trained_ids)),
    )


def _of_new(watched: Interactions, first: int) -> Ragged:
    """Return each user's videos from row `first` on, counted from there."""
    sequences = [watched.videos.at(user) for user in range(len(watched))]
    return Ragged.of([rows[rows >= first] - first for rows in sequences])


def _nearest(
    names: Sequence[str],
    queries: FloatRows,
    found_names: Sequence[str],
    rows: FloatRows,
    left_out: Ragged,
    count: int,
) -> dict[str, list[Candidate]]:
    """Return the `count` nearest rows of each query; left_out: rows that each query does not get."""
    known: Indices = np.flatnonzero(rows.any(axis=1))
    candidates: dict[str, list[Candidate]] = {name: [] for name in names}
    asking = np.flatnonzero(queries.any(axis=1))
    if not len(known) or not len(asking):
        return candidates
    index = build_index(rows[known], IndexConfig())
    result = index.search(queries[asking], min(len(known), count + int(np.diff(left_out.starts).max())))
    for query, positions, scores in zip(asking.tolist(), result.ids, result.scores, strict=True):
        out = set(left_out.at(query).tolist())
        found = [
            Candidate(found_names[known[position]], float(score))
            for position, score in zip(positions.tolist(), scores.tolist(), strict=True)
            if position >= 0 and int(known[position]) not in out
        ]
        candidates[names[query]] = found[:count]
    return candidates
