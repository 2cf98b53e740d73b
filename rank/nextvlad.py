"""NextVLAD: pooling of frame or sound tokens to one vector (Lin, Xiao, Fan 2018, "NeXtVLAD", section 3.2)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


def aggregate(groups: Tensor, attention: Tensor, assignment: Tensor, clusters: Tensor, mask: Tensor) -> Tensor:
    """Return the residuals to the cluster centres, summed over tokens and groups, of unit length per cluster.

    groups:     (B, T, G, C) the expanded tokens, split into G groups
    attention:  (B, T, G) in [0, 1], weight of each group of a token
    assignment: (B, T, G, K) soft assignment, sums to 1 over the clusters
    clusters:   (K, C)
    mask:       (B, T) True where there is a token
    Returns (B, K, C); zeros for an item without a token.
    """
    weights = assignment * (attention * mask[:, :, None])[..., None]
    sums = torch.einsum("btgk,btgc->bkc", weights, groups)
    residuals = sums - weights.sum(dim=(1, 2))[..., None] * clusters
    return functional.normalize(residuals, dim=2)


@dataclass(frozen=True, slots=True)
class NextVLADSize:
    """Size of a NextVLAD layer, in the paper's terms."""

    clusters: int  # K
    groups: int  # G, must divide the expanded width
    expansion: int  # λ: expanded width / width of the tokens


class NextVLAD(nn.Module):
    """(B, T, D) tokens and their mask -> (B, width); an item without a token gets the bias of the last layer."""

    def __init__(self, dim: int, width: int, size: NextVLADSize, dropout: float) -> None:
        super().__init__()
        clusters, groups = size.clusters, size.groups
        wide = size.expansion * dim
        if wide % groups:
            raise ValueError(f"{size.expansion} times {dim} dimensions cannot be split into {groups} equal groups")
        self.groups, self.clusters = groups, clusters
        self.enter = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, wide)
        self.attend = nn.Linear(wide, groups)
        self.assign = nn.Linear(wide, groups * clusters)
        self.centres = nn.Parameter(torch.randn(clusters, wide // groups) * (wide // groups) ** -0.5)
        self.dropout = nn.Dropout(dropout)
        self.leave = nn.Linear(clusters * wide // groups, width)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        wide = self.expand(self.enter(tokens))
        batch, steps, _ = wide.shape
        attention = self.attend(wide).sigmoid()
        assignment = self.assign(wide).reshape(batch, steps, self.groups, self.clusters).softmax(dim=3)
        groups = wide.reshape(batch, steps, self.groups, -1)
        vlad = aggregate(groups, attention, assignment, self.centres, mask)
        return torch.as_tensor(self.leave(self.dropout(vlad.flatten(1))))


class ContextGating(nn.Module):
    """x ⊙ σ(W2 relu(norm(W1 x))): weigh each dimension, given all of them (same paper, section 3.3: SE context gating).

    The weights begin equal.
    """

    def __init__(self, width: int, reduction: int = 8) -> None:
        super().__init__()
        narrow = max(1, width // reduction)
        leave = nn.Linear(narrow, width)
        nn.init.zeros_(leave.weight)
        nn.init.zeros_(leave.bias)
        self.gate = nn.Sequential(
            nn.Linear(width, narrow, bias=False),
            nn.LayerNorm(narrow),
            nn.ReLU(),
            leave,
            nn.Sigmoid(),
        )

    def forward(self, values: Tensor) -> Tensor:
        return torch.as_tensor(values * self.gate(values))
