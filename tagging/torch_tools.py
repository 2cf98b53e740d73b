"""Torch helpers shared by the training code: device choice, divergence, row-wise Adagrad, dropout, decoupled softmax.

Importing this module imports torch, which takes about a second.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from tagging.errors import InvalidConfigError, TrainingDivergedError


def torch_device(wanted: str, key: str) -> str:
    """Return "cuda" or "cpu"; `wanted` "auto" takes a GPU if torch sees one.

    key: configuration key of `wanted`, for the error message
    Raises InvalidConfigError if `wanted` is "cuda" and there is no CUDA device.
    """
    if wanted == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    if wanted == "auto":
        return "cpu"
    raise InvalidConfigError(
        f"{key} is cuda, but torch sees no CUDA device", f"set {key} to auto or cpu, or install CUDA torch"
    )


def require_finite(network: nn.Module, loss: float, step: int) -> None:
    """Raise TrainingDivergedError if the loss of a step or a weight after it is NaN or infinite: weights stay so."""
    if not math.isfinite(loss) or not all(bool(weight.isfinite().all()) for weight in network.parameters()):
        raise TrainingDivergedError(
            f"training diverged: at step {step} the loss is {loss:.3g}, or a weight is not finite",
            "lower `rate` in --config",
        )


class RowAdagrad:
    """Adagrad (Duchi et al. 2011) with one accumulator per row, the usual optimizer of recommender embedding tables.

    Rows are updated at very different rates: a few are in every batch, most in almost none. torch's sparse optimizers
    sum and sort the rows of the gradient again in every step: 0.3 s for a batch of titles against 20 ms here, where
    the caller knows the rows and passes each once.
    """

    def __init__(self, table: Tensor, rate: float, epsilon: float = 1e-8) -> None:
        """table: (N, D) or (N,), updated in place."""
        self.table = table
        self._rate = rate
        self._epsilon = epsilon
        self._squares = torch.zeros(len(table), device=table.device)

    def step(self, rows: Tensor, gradient: Tensor, share: float) -> None:
        """Update distinct rows by their gradient at a share of the learning rate.

        rows:     (n,) without repeats
        gradient: (n, D) or (n,)
        share:    in (0, 1]
        """
        flat = gradient[:, None] if gradient.ndim == 1 else gradient
        # A norm and index_add_ pass over the gradient twice, without copies of it; a few passes are most of a step.
        squares = self._squares[rows] + torch.linalg.vector_norm(flat, dim=1).square() / flat.shape[1]
        self._squares[rows] = squares
        scale = share * self._rate / (squares.sqrt() + self._epsilon)
        self.table.index_add_(0, rows, (flat * scale[:, None]).reshape(gradient.shape), alpha=-1)

    def step_summed(self, rows: Tensor, gradient: Tensor, share: float) -> None:
        """Update rows that may repeat, after summing the gradients of each.

        rows: (n,); gradient: (n, D); share: in (0, 1]
        """
        order = torch.argsort(rows, stable=True)
        distinct, counts = torch.unique_consecutive(rows[order], return_counts=True)
        # embedding_bag sums in the same order for any number of threads; index_add_ does not guarantee that.
        summed = functional.embedding_bag(order, gradient, counts.cumsum(0) - counts, mode="sum")
        self.step(distinct, summed, share)


def modality_dropout(present: Tensor, share: float, generator: torch.Generator | None = None) -> Tensor:
    """Drop each modality of each row with probability `share`, but never the last one of a row.

    present: (B, M) True where a row has the modality
    Returns (B, M) bool. Without a generator torch's global one is used.
    """
    kept = present & (torch.rand(present.shape, generator=generator) >= share)
    return torch.where(kept.any(dim=1, keepdim=True), kept, present)


def decoupled_softmax(logits: Tensor, rows: Tensor, columns: Tensor, negative_logits: Tensor) -> Tensor:
    """Cross-entropy of each positive against the negatives of its row alone, so that positives do not compete.

    Decoupled softmax (Gupta et al. 2023, "DEXML", eq. 5): for a positive p and the negatives N of its row,
    log(1 + Σ_{n in N} exp(s_n - s_p)).

    logits:          (B, M)
    rows, columns:   (P,) positions of the positives
    negative_logits: (B, M) of the negatives, -inf everywhere else
    Returns (P,) nats.
    """
    return functional.softplus(negative_logits.logsumexp(dim=1)[rows] - logits[rows, columns])
