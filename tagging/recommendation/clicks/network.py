"""Click model with multi-head self-attention and attention crossing (Hasama & Li, "Attention-based Multimodal Feature
Representation Model for Micro-video Recommendation").

    x ─→ MHSA ───────────────→ S ─┬─→ W_S · S + W_AC · P          eq. 1
    └──→ attention crossing ─→ P ─┴─→ perceptron of [S, P]        eq. 2-3
    logit = Σ w_i x_i + W_S · S + W_AC · P + b + DNN([S, P])

Both branches may have several layers, each over the output of the one before, or one of them none: then a⁰ lacks its
output. The content of videos, where it is given, adds fields to x (fusion.py).

The paper describes the output with a perceptron by "the linear part" and DNN(a⁰), without its equation; here it is the
sum of the linear part, eq. 1 and the perceptron. All but the linear part is dropped for a share of the impressions of
a training step, so that first-order weights learn to stand alone: interactions overfit sooner than they do.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from tagging.config.clicks import ClicksConfig
from tagging.recommendation.clicks.attention import SelfAttention
from tagging.recommendation.clicks.crossing import AttentionCrossing
from tagging.recommendation.clicks.embedding import FieldEmbedding
from tagging.recommendation.clicks.fusion import Fusion
from tagging.recommendation.clicks.table import USER


class ClickNetwork(nn.Module):
    """Log-odds of a click."""

    def __init__(self, sizes: Mapping[str, int], config: ClicksConfig, fusion: Fusion | None = None) -> None:
        """
        sizes:  rows of each field's table, with the padding; two fields or more, with `user_id` where there is a fusion
        fusion: of the modalities of videos, to fields of the width of the embeddings
        """
        super().__init__()
        fields = len(sizes) + (fusion.fields if fusion is not None else 0)
        self.embedding = FieldEmbedding(sizes, config.width)
        self.linear = FieldEmbedding(sizes, config.first_order)
        self.interaction_dropout = config.interaction_dropout
        attention = nn.ModuleList(SelfAttention(config.width, config.heads) for _ in range(config.layers))
        crossing = nn.ModuleList(AttentionCrossing(fields, config.width) for _ in range(config.crossings))
        self.branches = nn.ModuleList(branch for branch in (attention, crossing) if len(branch))
        flat = len(self.branches) * fields * config.width
        self.fusion = fusion
        self.out = nn.Linear(flat, 1)
        self.deep = perceptron(flat, config.hidden, config.dropout) if config.hidden else None

    def forward(self, fields: Mapping[str, Tensor]) -> Tensor:
        """Return logits (B,).

        fields: (B, L) rows of each field's table, PADDING behind the last; (B, dim) of each modality, zeros if missing
        """
        x, present = self.embedding(fields)
        if self.fusion is not None:
            content, has_content = self.fusion(fields, x[:, self.embedding.names.index(USER)])
            x, present = torch.cat([x, content], dim=1), torch.cat([present, has_content], dim=1)
        a = torch.cat([_through(branch, x, present) for branch in self.branches], dim=1).flatten(1)  # a⁰, eq. 2
        interactions = self.out(a)
        if self.deep is not None:
            interactions = interactions + self.deep(a)
        first_order = self.linear(fields)[0].sum(dim=(1, 2))
        return torch.as_tensor(first_order + self._kept(interactions.squeeze(1)))

    def _kept(self, interactions: Tensor) -> Tensor:
        """Drop a share of logits (B,) in training, and scale all by the share that is kept in prediction."""
        if self.training:
            return interactions * (torch.rand(len(interactions)) >= self.interaction_dropout)
        return interactions * (1 - self.interaction_dropout)


def _through(layers: nn.Module, x: Tensor, present: Tensor) -> Tensor:
    """Return (B, F, D), each layer over what the one before it returned."""
    for layer in layers.children():
        x = layer(x, present)
    return x


def perceptron(width: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    """Return a perceptron with one output."""
    layers: list[nn.Module] = []
    for size in hidden:
        layers += [nn.Linear(width, size), nn.BatchNorm1d(size), nn.ReLU(), nn.Dropout(dropout)]
        width = size
    return nn.Sequential(*layers, nn.Linear(width, 1))
