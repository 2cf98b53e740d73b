"""Multi-task loss of the mixture of experts: cross-entropy over each task's classes, of which a video has several.

Eq. 2 of "Multimodal Topic Learning for Video Recommendation": L = -Σ_k Σ_j y^k_j log p^k_j. As every tag that is not
stated counts as wrong there, `recall.loss` has losses that are milder to missing labels; each task may take its own.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from recall.loss import Loss

Pairs = tuple[Tensor, Tensor]  # (P,) rows of the batch and (P,) classes


def multi_task_loss(logits: Mapping[str, Tensor], positives: Mapping[str, Pairs], losses: Mapping[str, Loss]) -> Tensor:
    """Return the mean over the B videos of the sum over tasks and classes, in nats.

    logits:    (B, classes) of each task
    positives: the classes that each video has; a video without any adds nothing to that task
    losses:    of each task, from `recall.loss`
    """
    size = len(next(iter(logits.values())))
    sums = [losses[task](values, *positives[task]).sum() for task, values in logits.items()]
    return torch.stack(sums).sum() / size
