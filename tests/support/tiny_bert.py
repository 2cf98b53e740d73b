"""A small BERT of random weights, and tokens of random values."""

from collections.abc import Sequence

import numpy as np
import torch

from tagging.bert import Bert, BertShape
from tagging.ragged import Tokens

SHAPE = BertShape(vocabulary=40, positions=16, width=32, heads=2, inner=48, layers=3)


def tiny_bert(seed: int = 0) -> Bert:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Bert(SHAPE).eval()


def tokens_of(lengths: Sequence[int], dim: int, seed: int = 0) -> Tokens:
    """Return tokens of random values for items of the given lengths."""
    generator = np.random.default_rng(seed)
    return Tokens.of([generator.standard_normal((length, dim)) if length else None for length in lengths], dim)
