"""Recommendation model in memory: the towers, and the vectors of a catalog of videos."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from tagging.ragged import Ragged
from tagging.recommendation.items import Items, Vocabulary
from tagging.recommendation.recommender import VectorRecommender
from tagging.recommendation.two_towers.towers import TwoTowers
from tagging.recommendation.two_towers.train import encode_items
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

    def users(self, histories: Ragged) -> FloatRows:
        """Return unit rows (n, D) of users; histories: n lists of one video row or more, of which the last count."""
        return self._recommender.users(histories)

    def user(self, watched: FloatRows) -> FloatRows:
        """Return the unit row (D,) of a user by the vectors (n, D) of the videos watched, of which the last count.

        Zeros for a user without a video that has any view.
        """
        [user] = replace(self, vectors=watched).users(Ragged.of([np.arange(len(watched))]))
        return np.asarray(user)

    def scores(self, histories: Ragged, candidates: Indices) -> FloatRows:
        """Return cosines (n, m) of users and videos; -inf for a video without any view."""
        return self._recommender.scores(histories, candidates)

    @property
    def _recommender(self) -> VectorRecommender:
        return VectorRecommender(self.towers.user, self.vectors, self.towers.user.history)


@torch.inference_mode()
def vectors_of(towers: TwoTowers, items: Items) -> FloatRows:
    """Return unit rows (n, D) of videos; zeros for a video without any view."""
    vectors = np.zeros((len(items), towers.width), np.float32)
    known = np.flatnonzero(items.known)
    for start in range(0, len(known), ITEMS_AT_ONCE):
        rows = known[start : start + ITEMS_AT_ONCE]
        vectors[rows] = encode_items(towers, items, rows, items.present[rows]).numpy()
    return vectors
