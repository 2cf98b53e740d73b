"""Attention crossing: products of two fields each, weighted by their importance (Hasama & Li, eq. 7-9).

    φ_ij = x_i ⊙ x_j,   M'_ij = hᵀ ReLU(W φ_ij + b),   M = softmax(M') over all pairs,   p_i = Σ_j M_ij φ_ij

Eq. 8 divides M' by its sum, which may be 0 or negative, as h is free. Softmax, as in the model that the paper follows
(AFM, Xiao et al. 2017), is always defined. Eq. 2 has a vector p_i for each field, so the pairs of a field are summed.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tagging.recommendation.clicks.attention import MASKED


class AttentionCrossing(nn.Module):
    """The crossings of F fields, of which there are at least two."""

    first: Tensor  # (pairs, F) one-hot rows: a product with x is faster than indexing, and so is its gradient
    second: Tensor

    def __init__(self, fields: int, width: int) -> None:
        super().__init__()
        first, second = torch.triu_indices(fields, fields, offset=1)
        self.register_buffer("first", functional.one_hot(first, fields).float(), persistent=False)
        self.register_buffer("second", functional.one_hot(second, fields).float(), persistent=False)
        self.importance = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1, bias=False))

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """Return P (B, F, D); zeros for a missing field.

        x: (B, F, D), zeros where missing; present: (B, F) True where a field is present
        """
        crossed = (self.first @ x) * (self.second @ x)  # (B, pairs, D)
        both = present.float() @ (self.first + self.second).T == 2
        weights = self.importance(crossed).squeeze(2).masked_fill(~both, MASKED).softmax(dim=1)
        return torch.as_tensor((self.first + self.second).T @ (crossed * weights[:, :, None]))
