"""User relevance: users who watched the same videos have near states (Gao et al. 2017, section 3.3)."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tagging.recommendation.steps import Step
from tagging.types import FloatRows


def relevance(step: Step) -> FloatRows:
    """Return (B, B): the videos that two users both watched over those that either watched, 0 for a user with itself.

    Rel(i, j) = |L_i ∩ L_j| / |L_i ∪ L_j|
    """
    watched = np.zeros((len(step.mask), len(step.distinct)), np.float32)
    watched[np.nonzero(step.mask)[0], step.where[step.mask]] = 1
    both = watched @ watched.T
    counts = watched.sum(axis=1)
    np.fill_diagonal(both, 0)
    return np.asarray(both / (counts[:, None] + counts - both), np.float32)


def relevance_loss(users: Tensor, shares: FloatRows, margin: float) -> Tensor:
    """Return the mean over triplets of max(0, τ - h_i·h_p + h_i·h_n) (eq. 6).

    users:  (B, D) unit rows, the last state of each user
    shares: (B, B) relevance. The positive of a user is the most relevant one, the negatives are all without relevance;
            a user without both is in no triplet
    0 without a triplet.
    """
    anchors = torch.from_numpy(np.flatnonzero(shares.any(axis=1)))
    positives = torch.from_numpy(shares.argmax(axis=1))[anchors]
    others = torch.from_numpy((shares == 0) & ~np.eye(len(shares), dtype=np.bool_))[anchors]
    cosines = (users @ users.T)[anchors]  # (anchors, B)
    hinges = functional.relu(margin - cosines.gather(1, positives[:, None]) + cosines)
    return (hinges * others).sum() / others.sum().clamp(min=1)


def last_of(mask: NDArray[np.bool_]) -> Tensor:
    """Return positions (B,) among P packed states: the last of each user; mask: (B, T), with a True in each row."""
    return torch.from_numpy(np.cumsum(mask.sum(axis=1)) - 1)
