"""Decoupled contrastive loss of the ranker, and the false-negative filter.

Decoupled softmax (Gupta et al. 2023, "DEXML", eq. 5): true tags are not in each other's denominator, so a video with
forty tags pushes none of them down. For a true tag p and the negatives N of a video, with logits s:

    loss(p) = log(1 + Σ_{n in N} exp(s_n - c_n - s_p))

c is the logQ correction for drawing only n of all N tags (Bengio & Senécal 2008): log(N / n · probability), where the
probability is that of the tag to be drawn; zero for a uniform draw.
"""

import torch
from torch import Tensor

from tagging.torch_tools import decoupled_softmax


def decoupled_contrastive(
    logits: Tensor, pairs: tuple[Tensor, Tensor], negative: Tensor, correction: Tensor, weight: Tensor
) -> Tensor:
    """Return the weighted mean over videos of the mean loss of their true pairs, in nats.

    logits:     (B, M) cosines over the temperature
    pairs:      (P,) videos and (P,) columns of the true pairs
    negative:   (B, M) True where a tag is a negative of a video
    correction: (B, M)
    weight:     (B,)
    """
    rows, columns = pairs
    nats = decoupled_softmax(logits, rows, columns, (logits - correction).masked_fill(~negative, -torch.inf))
    counts = torch.zeros_like(weight).index_add(0, rows, torch.ones_like(nats))
    sums = torch.zeros_like(weight).index_add(0, rows, nats)
    return (sums / counts.clamp(min=1) * weight).sum() / weight.sum()


def false_negative_mask(cosines: Tensor, pairs: tuple[Tensor, Tensor], margin: float) -> Tensor:
    """Return (B, M) True where a tag is probably a missing label rather than a negative.

    Those are tags whose cosine exceeds `margin` times the mean cosine of the video's true tags (Moreira et al. 2024,
    "NV-Retriever", section 3.3: TopK-PercPos). None is where that mean is not positive: the towers are not good enough
    then to tell.

    cosines: (B, M); pairs: (P,) videos and (P,) columns of the true pairs
    """
    rows, columns = pairs
    sums = cosines.new_zeros(len(cosines)).index_add(0, rows, cosines[rows, columns])
    means = sums / torch.bincount(rows, minlength=len(cosines)).clamp(min=1)
    return (cosines > margin * means[:, None]) & (means[:, None] > 0)
