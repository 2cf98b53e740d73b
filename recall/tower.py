"""Attention-fusion tower: encodes the views of a video or a tag (n-grams, text, frames, sound) as one vector.

Each view m becomes a token x_m; attention weights the present ones (Wang et al. 2022, section 3.3: "attention
fusion" of a title's metadata, with a mask for missing views):

    e_m = z · tanh(P x_m + b),   α = softmax(e over the views present),   h = x + MLP(x) with x = Σ_m α_m x_m

α is the share of each view in the vector and is shown as evidence. Videos and tags have a tower each.
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

NGRAMS = "ngrams"


class TowerForward(Protocol):
    """The forward pass of a trained tower, in this process or on a server."""

    def __call__(self, values: Mapping[str, Tensor], present: Tensor, /) -> tuple[Tensor, Tensor]:
        """Return h (B, width) and α (B, views), as Tower.forward does."""


def attention_fusion(tokens: Tensor, energies: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weighted sums Σ_m α_m x_m (B, D), and α (B, views), 0 where a view is missing.

    tokens: (B, views, D); energies: (B, views); present: (B, views) True where a view is present, at least one per row
    """
    weights = energies.masked_fill(~present, -torch.inf).softmax(dim=1)
    return torch.einsum("bm,bmd->bd", weights, tokens), weights


class Tower(nn.Module):
    """Encoder of B items. The vectors of n-grams are outside, in a table of which a batch touches a few rows."""

    def __init__(self, dims: Mapping[str, int], width: int, dropout: float) -> None:
        """dims: the width of every view except the n-grams, whose vectors have the tower's own width."""
        super().__init__()
        self.dims = dict(dims)
        self.width = width
        self.views = (NGRAMS, *dims)
        self.enter = nn.ModuleDict({view: nn.Linear(dim, width) for view, dim in dims.items()})
        self.norms = nn.ModuleDict({view: nn.LayerNorm(width) for view in self.views})
        self.attend = nn.Sequential(nn.Linear(width, width // 2), nn.Tanh(), nn.Linear(width // 2, 1, bias=False))
        self.mix = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Mapping[str, Tensor], present: Tensor) -> tuple[Tensor, Tensor]:
        """Return h (B, width) and α (B, views).

        values:  (B, dim) of each view; zeros where it is missing
        present: (B, views) True where the view is present, in the order of `views`; at least one per row
        """
        tokens = torch.stack([self._token(view, values[view]) for view in self.views], dim=1)
        joined, weights = attention_fusion(tokens, self.attend(tokens).squeeze(2), present)
        joined = self.dropout(joined)
        return self.dropout(joined + self.mix(joined)), weights

    def _token(self, view: str, values: Tensor) -> Tensor:
        entered = self.enter[view](values) if view in self.enter else values
        return torch.as_tensor(self.norms[view](entered))
