"""Two towers for recommendation: a user by the videos watched, a video by its metadata.

"Exploring Heterogeneous Metadata for Video Recommendation with Two-tower Model" (Wang et al. 2022, section 3):

    item tower   h_m = W_m v_m for each view m; α by attention over the views present (section 3.3); MLP(Σ_m α_m h_m)
    user tower   position-aware attention over the videos watched, three residual blocks
    preference   s · cos(u, i) + b

The paper concatenates the weighted views in front of its perceptron; a matrix for each view and a sum are the same
function. It leaves the attention over the history open: here each video attends to those before it (Kang & McAuley
2018, "SASRec"), with a learnt bias for each distance, and so every position of a sequence is a case in training.
Rows of encoders are standardised, of which the paper says nothing.
"""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from recall.tower import attention_fusion
from tagging.config.recommendation import Fusion, TwoTowersConfig
from tagging.types import FloatRows

BLOCKS = 3  # residual blocks of the user tower
FIRST_SCALE = 15.0
MOST_SCALE = 100.0
LEAST_DEVIATION = 1e-6
FIRST_DEVIATION = 0.05  # of embeddings: near zero, a rarely drawn video finds its direction within few steps


class AttentionFusion(nn.Module):
    """Σ_m α_m x_m over the views present (section 3.3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attend = nn.Sequential(nn.Linear(width, width // 2), nn.Tanh(), nn.Linear(width // 2, 1, bias=False))

    def forward(self, views: Tensor, present: Tensor) -> Tensor:
        """Return (n, D); views: (n, views, D); present: (n, views), at least one per row."""
        joined, _ = attention_fusion(views, self.attend(views).squeeze(2), present)
        return joined


class Concatenation(nn.Module):
    """A matrix over the views side by side, zeros where one is missing: the baseline of the paper's table 4."""

    def __init__(self, width: int, views: int) -> None:
        super().__init__()
        self.matrix = nn.Linear(views * width, width)

    def forward(self, views: Tensor, present: Tensor) -> Tensor:
        """Return (n, D), as `AttentionFusion` does."""
        return torch.as_tensor(self.matrix((views * present[:, :, None]).flatten(1)))


class Standardise(nn.Module):
    """Rows with mean 0 and deviation 1 over the training videos.

    Rows of an encoder may differ by little: those of a text encoder have cosines of 0.8 with each other.
    """

    mean: Tensor  # (dim,)
    scale: Tensor  # (dim,)

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def learn(self, rows: Tensor) -> None:
        """Take mean and deviation of rows (n, dim), of which there is at least one."""
        self.mean.copy_(rows.mean(dim=0))
        self.scale.copy_(rows.std(dim=0, correction=0).clamp(min=LEAST_DEVIATION))

    def forward(self, rows: Tensor) -> Tensor:
        return (rows - self.mean) / self.scale


class ItemTower(nn.Module):
    """Encoder of videos from their views."""

    def __init__(
        self, sizes: Mapping[str, int], dims: Mapping[str, int], width: int, fusion: Fusion, dropout: float
    ) -> None:
        """sizes: rows of each field's table; dims: width of each dense view"""
        super().__init__()
        self.tables = nn.ModuleDict({name: nn.EmbeddingBag(size, width, mode="mean") for name, size in sizes.items()})
        for table in self.tables.values():
            nn.init.normal_(table.weight, std=FIRST_DEVIATION)  # type: ignore[arg-type]
        self.standardise = nn.ModuleDict({name: Standardise(dim) for name, dim in dims.items()})
        self.enter = nn.ModuleDict({name: nn.Linear(dim, width) for name, dim in dims.items()})
        self.views = (*sizes, *dims)
        self.norms = nn.ModuleDict({name: nn.LayerNorm(width) for name in self.views})
        self.fuse = AttentionFusion(width) if fusion == "attention" else Concatenation(width, len(self.views))
        self.mix = Residual(width, dropout)

    def learn_scales(self, dense: Mapping[str, FloatRows]) -> None:
        """Standardise each dense view by the rows (n, dim) of training videos that have it; zeros where missing."""
        for name, rows in dense.items():
            cast(Standardise, self.standardise[name]).learn(torch.from_numpy(rows[rows.any(axis=1)]))

    def forward(
        self, fields: Mapping[str, tuple[Tensor, Tensor]], dense: Mapping[str, Tensor], present: Tensor
    ) -> Tensor:
        """Return unit rows (n, D).

        fields:  packed rows and starts (n,) of each field
        dense:   (n, dim) of each dense view; zeros where missing
        present: (n, views) True where the view is present, in the order of `views`; at least one per row
        """
        values = {name: table(*fields[name]) for name, table in self.tables.items()}
        values |= {name: enter(self.standardise[name](dense[name])) for name, enter in self.enter.items()}
        tokens = torch.stack([self.norms[name](values[name]) for name in self.views], dim=1)
        return functional.normalize(self.mix(self.fuse(tokens, present)), dim=1)


class UserTower(nn.Module):
    """Encoder of users from the videos watched."""

    def __init__(self, width: int, heads: int, history: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.history = history
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.leave = nn.Linear(width, width)
        self.distance = nn.Parameter(torch.zeros(heads, history))
        self.blocks = nn.Sequential(*(Residual(width, dropout) for _ in range(BLOCKS)))
        self.dropout = nn.Dropout(dropout)

    def forward(self, watched: Tensor, mask: Tensor) -> Tensor:
        """Return unit rows (P, D): the user after each video.

        watched: (P, D) unit rows of the videos of B users, one user after the other
        mask:    (B, T) True at the P places of the videos, from the left; T is `history` at most
        """
        count, length = mask.shape
        entered = self.norm(watched)
        projected = self.project(self.dropout(entered))
        # Padding costs attention alone: most histories are much shorter than the longest.
        padded = projected.new_zeros(count, length, projected.shape[1]).index_put(
            mask.nonzero(as_tuple=True), projected
        )
        query, key, value = padded.view(count, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=self._bias(length))
        mixed = entered + self.dropout(self.leave(attended.transpose(1, 2).flatten(2)[mask]))
        return functional.normalize(self.blocks(mixed), dim=1)

    def _bias(self, length: int) -> Tensor:
        """Return (heads, T, T): the bias of each distance, -inf for later videos."""
        position = torch.arange(length)
        distance = position[:, None] - position[None, :]
        return self.distance[:, distance.clamp(min=0)].masked_fill(distance < 0, -torch.inf)


class Residual(nn.Module):
    """x + MLP(LayerNorm(x)) (He et al. 2016, with pre-normalisation)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * width, width),
        )

    def forward(self, rows: Tensor) -> Tensor:
        return rows + torch.as_tensor(self.layers(rows))


class TwoTowers(nn.Module):
    """Both towers, and the scale and bias of their cosine."""

    def __init__(self, sizes: Mapping[str, int], dims: Mapping[str, int], config: TwoTowersConfig) -> None:
        super().__init__()
        self.width = config.width
        self.item = ItemTower(sizes, dims, config.width, config.fusion, config.dropout)
        self.user = UserTower(config.width, config.heads, config.history, config.dropout)
        self.log_scale = nn.Parameter(torch.tensor(FIRST_SCALE).log())
        self.bias = nn.Parameter(torch.tensor(0.0))  # of the sigmoid; a softmax does not depend on it

    def logits(self, cosines: Tensor) -> Tensor:
        return cosines * self.log_scale.exp().clamp(max=MOST_SCALE) + self.bias
