"""User-guided fusion of modalities: how much each modality of a video counts depends on the user (Hasama & Li, section
1; the paper gives no equations).

    t_m = W_m x_m,   e_m = z · tanh(t_m + U u),   α = softmax(e over the modalities present),   content = Σ_m α_m t_m
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from recall.tower import attention_fusion


class UserGuidedFusion(nn.Module):
    """One vector of the content of a video for a user."""

    def __init__(self, dims: Mapping[str, int], width: int) -> None:
        """dims: width of the rows of each of M modalities; width: D, of the users' vectors and of the result"""
        super().__init__()
        self.names = tuple(dims)
        self.enter = nn.ModuleList(nn.Linear(dim, width) for dim in dims.values())
        self.guide = nn.Linear(width, width)
        self.energy = nn.Linear(width, 1, bias=False)

    def forward(self, rows: Mapping[str, Tensor], user: Tensor) -> tuple[Tensor, Tensor]:
        """Return content (B, D), zeros for a video without any modality, and α (B, M), 0 for a missing modality.

        rows: (B, dim) of each modality, zeros where missing; user: (B, D)
        """
        present = torch.stack([rows[name].any(dim=1) for name in self.names], dim=1)  # (B, M)
        known = present.any(dim=1, keepdim=True)
        tokens = torch.stack([enter(rows[name]) for name, enter in zip(self.names, self.enter, strict=True)], dim=1)
        energies = self.energy(torch.tanh(tokens + self.guide(user)[:, None])).squeeze(2)
        content, weights = attention_fusion(tokens, energies, present | ~known)
        return content * known, weights * known
