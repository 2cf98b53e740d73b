"""Losses for very many labels of which most that are true are missing.

Each takes logits (B, M) of B videos over M labels, and the P pairs that are known to be true as (rows, columns), and
gives (P,) nats a pair, so the caller weighs videos and tags as it wants. All were compared (recall/README.md).
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from tagging.torch_tools import decoupled_softmax

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def softmax(logits: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Cross-entropy of each positive against all labels, the other positives too (Joulin et al. 2016)."""
    return logits.logsumexp(dim=1)[rows] - logits[rows, columns]


def decoupled(logits: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Each positive against the negatives alone: positives do not compete (Gupta et al. 2023, DEXML, eq. 5)."""
    positive = torch.zeros_like(logits, dtype=torch.bool)
    positive[rows, columns] = True
    return decoupled_softmax(logits, rows, columns, logits.masked_fill(positive, -torch.inf))


def asymmetric(logits: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Binary cross-entropy whose easy negatives fade (Ridnik et al. 2021, eq. 4 and 7: γ- = 4, γ+ = 0, m = 0.05).

    The negatives' sum of a video is shared among its positives.
    """
    likely = (logits.sigmoid() - 0.05).clamp(min=0.0)
    fading = -likely.pow(4) * torch.log1p(-likely.clamp(max=1 - 1e-6))
    fading = fading.index_put((rows, columns), torch.zeros(len(rows), dtype=fading.dtype))
    positives = torch.bincount(rows, minlength=len(logits)).clamp(min=1)
    return functional.softplus(-logits[rows, columns]) + (fading.sum(dim=1) / positives)[rows]


def contrastive(anchors: Tensor, partners: Tensor, alike: Tensor, temperature: float) -> Tensor:
    """InfoNCE: each video finds the partner it shares a tag with among all partners (van den Oord et al. 2018, eq. 4).

    anchors, partners: (B, D) unit rows
    alike:             (B, B) True where another partner shares a tag with the anchor too: it is no negative
    Returns (B,) nats.
    """
    logits = anchors @ partners.T / temperature
    own = torch.eye(len(logits), dtype=torch.bool)
    return logits.masked_fill(alike & ~own, -torch.inf).logsumexp(dim=1) - logits.diagonal()


LOSSES: dict[str, Loss] = {"softmax": softmax, "decoupled": decoupled, "asymmetric": asymmetric}
