"""User interest: means of what was watched that decay with time (Gao et al. 2017, section 3.2).

    u_t = 1/N Σ_{k <= t} m_k e^{-λ(t-k)}        topics, eq. 2
    ũ_t = 1/N Σ_{k <= t} x_k e^{-λ(t-k)}        interest vectors, eq. 3

N is the sum of the weights. Where sequences have no times, t counts videos.
"""

import torch
from torch import Tensor


def decayed_means(rows: Tensor, decay: float) -> Tensor:
    """Return (B, T, D): at each step the mean of the rows (B, T, D) up to it; the last weighs most."""
    position = torch.arange(rows.shape[1])
    distance = position[:, None] - position
    weights = torch.exp(-decay * distance.clamp(min=0)).masked_fill(distance < 0, 0.0)
    return (weights / weights.sum(dim=1, keepdim=True)) @ rows


def interest_loss(topics: Tensor, watched: Tensor, mask: Tensor, decay: float) -> Tensor:
    """Return the mean |T_u u_t - ũ_t|² over all steps (eq. 4).

    topics:  (P, D) T_u m of the videos of B users, one user after the other; T_u is linear, so that it may come first
    watched: (P, D) their interest vectors
    mask:    (B, T) True at their places, from the left
    """
    gaps = decayed_means(padded(topics - watched, mask), decay)[mask]
    return gaps.square().sum(dim=1).mean()


def padded(rows: Tensor, mask: Tensor) -> Tensor:
    """Return (B, T, D): the rows (P, D) at the P places where the mask (B, T) is True, zeros elsewhere."""
    return rows.new_zeros(*mask.shape, rows.shape[1]).index_put(mask.nonzero(as_tuple=True), rows)
