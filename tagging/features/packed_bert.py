"""BERT without padding: the tokens of several texts in one matrix, of which only attention makes a padded copy.

Titles differ so much in length that in a batch of 32 half of the padded tokens are padding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from tagging.bert import Bert


@dataclass(frozen=True, slots=True, eq=False)
class Packing:
    """Places of the S tokens of B texts, one text after another, in a padded (B, T) batch."""

    mask: Tensor  # (B, T) True where there is a token
    places: Tensor  # (S,) in the flattened batch, ascending

    @classmethod
    def of(cls, lengths: Sequence[int], device: str) -> "Packing":
        """Return the packing of texts of the given numbers of tokens."""
        mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
        return cls(mask.to(device), mask.flatten().nonzero().squeeze(1).to(device))

    def padded(self, tokens: Tensor) -> Tensor:
        """Return (B, T, D) of tokens (S, D), zeros where there is none."""
        batch = tokens.new_zeros(self.mask.numel(), tokens.shape[1]).index_copy_(0, self.places, tokens)
        return batch.view(*self.mask.shape, -1)

    def packed(self, batch: Tensor) -> Tensor:
        """Return the tokens (S, D) of a padded batch (B, T, D)."""
        return batch.flatten(0, 1)[self.places]


def text_means(bert: Bert, words: Tensor, lengths: Sequence[int]) -> Tensor:
    """Return (B, D) means over the tokens of each text after all layers, without dropout.

    words: (S, D) word embeddings of the tokens of all texts, one text after another
    lengths: (B,) tokens of each text, at least 1; their sum is S
    """
    packing = Packing.of(lengths, str(words.device))
    states: Tensor = bert.norm(words + bert.positions.weight[packing.places % packing.mask.shape[1]])
    for layer in bert.layers:
        assert isinstance(layer, nn.TransformerEncoderLayer)
        states = _through(layer, states, packing)
    return packing.padded(states).sum(dim=1) / packing.mask.sum(dim=1, keepdim=True)


def _through(layer: nn.TransformerEncoderLayer, states: Tensor, packing: Packing) -> Tensor:
    """Return states (S, D) after a layer."""
    attended: Tensor = layer.norm1(states + _attention(layer.self_attn, states, packing))
    inner = functional.gelu(layer.linear1(attended))
    after: Tensor = layer.norm2(attended + layer.linear2(inner))
    return after


def _attention(attention: nn.MultiheadAttention, states: Tensor, packing: Packing) -> Tensor:
    """Return the output (S, D) of self-attention within each text (Vaswani et al. 2017, section 3.2)."""
    inputs = packing.padded(functional.linear(states, attention.in_proj_weight, attention.in_proj_bias))
    by_head = inputs.view(*packing.mask.shape, 3, attention.num_heads, -1)
    query, key, value = by_head.permute(2, 0, 3, 1, 4)  # (B, heads, T, d)
    weighed = functional.scaled_dot_product_attention(query, key, value, attn_mask=packing.mask[:, None, None])
    output: Tensor = attention.out_proj(packing.packed(weighed.transpose(1, 2).flatten(2)))
    return output
