"""The contrastive loss of the ranker: every true tag of a video against its negatives, and none against another.

Decoupled softmax (Gupta et al. 2023, "DEXML", eq. 5): true tags do not stand in each other's denominator, so a video
of forty tags pushes none of them down. Of p true and the negatives N of a video, with logits s:

    loss(p) = log(1 + Σ_{n in N} exp(s_n - c_n - s_p))

c corrects for how n of all N tags were drawn: log(N / n · chance), where chance is that of a tag to be among them; zero
for an even draw (logQ, Bengio & Senécal 2008).
"""

import torch
from torch import Tensor

from tagging.torch_tools import decoupled_softmax


def decoupled_contrastive(
    logits: Tensor, pairs: tuple[Tensor, Tensor], negative: Tensor, correction: Tensor, weight: Tensor
) -> Tensor:
    """Weighed mean over videos of the mean over their pairs, in nats.

    logits:     (B, M) cosines over the temperature
    pairs:      (P,) videos and (P,) tags among the M that are true
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
    """(B, M) True where a tag is nearer to the video than `margin` of its true tags' mean cosine: more likely a label
    that nobody gave than a negative (Moreira et al. 2024, "NV-Retriever", section 3.3: TopK-PercPos).

    Nothing is where the true tags' mean is not above zero: then the towers know too little to say so.
    """
    rows, columns = pairs
    sums = cosines.new_zeros(len(cosines)).index_add(0, rows, cosines[rows, columns])
    means = sums / torch.bincount(rows, minlength=len(cosines)).clamp(min=1)
    return (cosines > margin * means[:, None]) & (means[:, None] > 0)
