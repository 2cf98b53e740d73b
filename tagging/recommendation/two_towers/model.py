"""Recommendation model in memory: the towers, and the vectors of a catalog of videos."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from tagging.ragged import TagLists
from tagging.recommendation.two_towers.items import Items, Vocabulary
from tagging.recommendation.two_towers.towers import TwoTowers
from tagging.recommendation.two_towers.train import encode_items, last_windows, only_known
from tagging.types import FloatRows, Indices, LabelledVideo, VideoEmbeddings

ITEMS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class RecommendationModel:
    """Two towers, and V videos as the item tower sees them."""

    towers: TwoTowers
    vocabulary: Vocabulary
    vectors: FloatRows  # (V, D) unit rows; zeros for a video without any view

    @classmethod
    def of(
        cls,
        towers: TwoTowers,
        vocabulary: Vocabulary,
        videos: Sequence[LabelledVideo],
        embeddings: Sequence[VideoEmbeddings],
    ) -> "RecommendationModel":
        return cls(towers, vocabulary, vectors_of(towers, vocabulary.items(videos, embeddings)))

    def with_videos(
        self, videos: Sequence[LabelledVideo], embeddings: Sequence[VideoEmbeddings]
    ) -> "RecommendationModel":
        """Return the model with further videos behind those it has."""
        added = vectors_of(self.towers, self.vocabulary.items(videos, embeddings))
        return replace(self, vectors=np.concatenate([self.vectors, added]))

    @torch.inference_mode()
    def users(self, histories: TagLists) -> FloatRows:
        """Return unit rows (n, D) of users; histories: n lists of one video row or more, of which the last count.

        Videos without any view are left out; zeros for a user without any other.
        """
        readable = only_known(histories, np.asarray(self.vectors.any(axis=1)))
        rows, mask = last_windows(readable, self.towers.user.history)
        states = self.towers.user(torch.from_numpy(self.vectors[rows[mask]]), torch.from_numpy(mask)).numpy()
        users = np.zeros((len(histories), self.vectors.shape[1]), np.float32)
        has_any = mask.any(axis=1)
        users[has_any] = states[np.cumsum(mask.sum(axis=1))[has_any] - 1]
        return users

    def user(self, watched: FloatRows) -> FloatRows:
        """Return the unit row (D,) of a user by the vectors (n, D) of the videos watched, of which the last count.

        Zeros for a user without a video that has any view.
        """
        [user] = replace(self, vectors=watched).users(TagLists.of([np.arange(len(watched))]))
        return np.asarray(user)

    def scores(self, histories: TagLists, candidates: Indices) -> FloatRows:
        """Return cosines (n, m) of users and videos; -inf for a video without any view."""
        vectors = self.vectors[candidates]
        cosines = self.users(histories) @ vectors.T
        cosines[:, ~vectors.any(axis=1)] = -np.inf
        return cosines


@torch.inference_mode()
def vectors_of(towers: TwoTowers, items: Items) -> FloatRows:
    """Return unit rows (n, D) of videos; zeros for a video without any view."""
    vectors = np.zeros((len(items), towers.width), np.float32)
    known = np.flatnonzero(items.known)
    for start in range(0, len(known), ITEMS_AT_ONCE):
        rows = known[start : start + ITEMS_AT_ONCE]
        vectors[rows] = encode_items(towers, items, rows, items.present[rows]).numpy()
    return vectors
