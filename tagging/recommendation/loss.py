"""Losses over drawn negatives: sampled softmax with logQ correction, and a sigmoid with a ratio of negatives."""

import torch
from torch import Tensor
from torch.nn import functional

from tagging.torch_tools import decoupled_softmax


def sampled_softmax(positive: Tensor, negative: Tensor, log_expected: Tensor) -> Tensor:
    """Return the cross-entropy (P,) in nats of each positive over all videos, estimated from drawn ones.

    Each drawn video stands for 1 / (expected number of its draws) videos (Bengio & Senécal 2008; "logQ correction",
    Yi et al. 2019).

    positive:     (P,) logits
    negative:     (P, M) logits of the drawn videos, far below 0 where a video is no negative of the case
    log_expected: (M,) log of the expected number of draws of each
    """
    case = torch.arange(len(positive))
    return decoupled_softmax(positive[:, None], case, torch.zeros_like(case), negative - log_expected)


def sigmoid(positive: Tensor, negative: Tensor, ratio: float) -> Tensor:
    """Return the binary cross-entropy (P,) in nats of a positive and `ratio` negatives (Wang et al. 2022, section 3.1).

    positive: (P,) logits
    negative: (P, M) logits of the drawn videos, far below 0 where a video is no negative; each counts ratio / M
    """
    return functional.softplus(-positive) + ratio * functional.softplus(negative).mean(dim=1)
