"""Losses for extreme multi-label learning with missing positives.

Each takes logits (B, M) of B videos over M labels and the P pairs known to be true as (rows, columns), and returns
(P,) nats per pair, so the caller chooses the weights of videos and tags. recall/BENCHMARKS.md compares them.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from tagging.torch_tools import decoupled_softmax

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def softmax(logits: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the cross-entropy of each positive against all labels, other positives included (Joulin et al. 2016)."""
    return logits.logsumexp(dim=1)[rows] - logits[rows, columns]


def decoupled(logits: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the cross-entropy of each positive against the negatives only (Gupta et al. 2023, DEXML, eq. 5)."""
    positive = torch.zeros_like(logits, dtype=torch.bool)
    positive[rows, columns] = True
    return decoupled_softmax(logits, rows, columns, logits.masked_fill(positive, -torch.inf))


def asymmetric(logits: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return the asymmetric loss (Ridnik et al. 2021, eq. 4 and 7: γ- = 4, γ+ = 0, m = 0.05).

    It is a binary cross-entropy that down-weights easy negatives. The sum over a video's negatives is shared among its
    positives.
    """
    shifted = (logits.sigmoid() - 0.05).clamp(min=0.0)
    negatives = -shifted.pow(4) * torch.log1p(-shifted.clamp(max=1 - 1e-6))
    negatives = negatives.index_put((rows, columns), torch.zeros(len(rows), dtype=negatives.dtype))
    positives = torch.bincount(rows, minlength=len(logits)).clamp(min=1)
    return functional.softplus(-logits[rows, columns]) + (negatives.sum(dim=1) / positives)[rows]


def contrastive(anchors: Tensor, partners: Tensor, alike: Tensor, temperature: float) -> Tensor:
    """Return InfoNCE (B,) in nats: each video's partner among all partners (van den Oord et al. 2018, eq. 4).

    anchors, partners: (B, D) unit rows
    alike:             (B, B) True if another partner shares a tag with the anchor, and so is not a negative
    """
    logits = anchors @ partners.T / temperature
    own = torch.eye(len(logits), dtype=torch.bool)
    return logits.masked_fill(alike & ~own, -torch.inf).logsumexp(dim=1) - logits.diagonal()


LOSSES: dict[str, Loss] = {"softmax": softmax, "decoupled": decoupled, "asymmetric": asymmetric}
