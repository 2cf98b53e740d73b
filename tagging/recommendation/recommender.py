"""A recommender by vectors: users encoded from the vectors of the videos watched, compared with those of videos."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tagging.ragged import Ragged
from tagging.recommendation.steps import last_windows, only_known
from tagging.types import FloatRows, Indices

Encode = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class VectorRecommender:
    """V videos by their vectors, and an encoder of users.

    encode: vectors (P, D) of the videos of B users, one user after the other, and the mask (B, T), True at their places
            from the left → (P, D), the user after each video
    """

    encode: Encode
    vectors: FloatRows  # (V, D); zeros for a video of which nothing is known
    history: int  # last videos of a user that are read

    @torch.inference_mode()
    def users(self, histories: Ragged) -> FloatRows:
        """Return rows (n, D) of users; histories: n lists of one video row or more, of which the last count.

        Unknown videos are left out; zeros for a user without any other.
        """
        readable = only_known(histories, np.asarray(self.vectors.any(axis=1)))
        rows, mask = last_windows(readable, self.history)
        states = self.encode(torch.from_numpy(self.vectors[rows[mask]]), torch.from_numpy(mask)).numpy()
        users = np.zeros((len(histories), self.vectors.shape[1]), np.float32)
        has_any = mask.any(axis=1)
        users[has_any] = states[np.cumsum(mask.sum(axis=1))[has_any] - 1]
        return users

    def scores(self, histories: Ragged, candidates: Indices) -> FloatRows:
        """Return products (n, m) of users and videos; -inf for an unknown video."""
        vectors = self.vectors[candidates]
        products = self.users(histories) @ vectors.T
        products[:, ~vectors.any(axis=1)] = -np.inf
        return products
