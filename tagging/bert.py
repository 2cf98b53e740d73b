"""BERT of torch's own layers (Devlin et al. 2019), which compute the same function as those of transformers.

Importing transformers takes several seconds, which every command would wait for.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

EPSILON = 1e-12  # of the layer norms, in Google's models and those derived from them


@dataclass(frozen=True, slots=True)
class BertShape:
    vocabulary: int  # 0: the word embeddings are kept elsewhere
    positions: int
    width: int
    heads: int
    inner: int  # width of the feed-forward part
    layers: int


class Bert(nn.Module):
    """BERT without its pooler: word and position embeddings, and a stack of transformer layers."""

    def __init__(self, shape: BertShape) -> None:
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(shape.vocabulary, shape.width)
        self.positions = nn.Embedding(shape.positions, shape.width)
        self.norm = nn.LayerNorm(shape.width, eps=EPSILON)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                shape.width, shape.heads, shape.inner, dropout=0.1, activation="gelu", layer_norm_eps=EPSILON,
                batch_first=True,
            )
            for _ in range(shape.layers)
        )  # fmt: skip

    def enter(self, ids: Tensor) -> Tensor:
        """Return the (B, T, D) embeddings of (B, T) ids."""
        return self.place(self.words(ids))

    def place(self, words: Tensor) -> Tensor:
        """Return the (B, T, D) embeddings of tokens whose word embeddings (B, T, D) are given."""
        return torch.as_tensor(self.norm(words + self.positions.weight[: words.shape[1]]))

    def through(self, states: Tensor, mask: Tensor, layers: slice) -> Tensor:
        """Return (B, T, D) states after some of the layers; mask: (B, T) True where there is a token."""
        for layer in list(self.layers)[layers]:
            states = layer(states, src_key_padding_mask=~mask)
        return states


def pooled(states: Tensor, mask: Tensor) -> Tensor:
    """Return the (B, D) mean over tokens, as sentence encoders pool them; zeros for an item without a token."""
    summed = (states * mask[..., None]).sum(dim=1)
    return summed / mask.sum(dim=1, keepdim=True).clamp(min=1)
