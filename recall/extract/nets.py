"""Extraction networks with one hidden layer, and logistic curves that calibrate their log-odds."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tagging.types import FloatRows

logger = logging.getLogger(__name__)

HIDDEN = 64
EPOCHS, BATCH, STEPS, RATE = 5, 2048, 400, 3e-3  # training; STEPS is a minimum


@dataclass(frozen=True, slots=True, eq=False)
class Net:
    """A network with one hidden layer over standardised features."""

    mean: FloatRows  # (F,)
    scale: FloatRows  # (F,)
    hidden: FloatRows  # (F + 1, H), the last row is the bias
    out: FloatRows  # (H + 1, O)

    def __call__(self, features: FloatRows) -> FloatRows:
        """(n, F) -> (n, O) log-odds."""
        x = ((features - self.mean) / self.scale).clip(-8.0, 8.0)
        x = np.maximum(x @ self.hidden[:-1] + self.hidden[-1], 0.0)
        return np.asarray(x @ self.out[:-1] + self.out[-1], np.float32)


def train(
    features: Sequence[FloatRows],
    truth: Sequence[NDArray[np.bool_]],
    is_used: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Net:
    """Train a network on the videos marked as used; features (n, F) and truth (n, O) per video."""
    import torch

    used = [video for video in np.flatnonzero(is_used).tolist() if len(features[video])]
    x = np.concatenate([features[video] for video in used])
    y = np.concatenate([truth[video] for video in used]).astype(np.float32)
    mean = x.mean(axis=0, dtype=np.float64)
    variance = sum(((features[video] - mean) ** 2).sum(axis=0) for video in used) / len(x)
    mean, scale = mean.astype(np.float32), np.maximum(np.sqrt(variance), 1e-3).astype(np.float32)

    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    widths = (x.shape[1], HIDDEN, y.shape[1])
    layers = [torch.randn(a + 1, b, generator=generator) * (2 / a) ** 0.5 for a, b in pairwise(widths)]
    for layer in layers:
        layer[-1] = 0.0
        layer.requires_grad_()
    optimizer = torch.optim.AdamW(layers, lr=RATE, weight_decay=1e-4)
    batches = -(-len(x) // BATCH)
    epochs = max(EPOCHS, -(-STEPS // batches))
    for epoch in range(epochs):
        order = torch.randperm(len(x), generator=generator).numpy()
        for step in range(batches):
            rows = order[step * BATCH : (step + 1) * BATCH]
            optimizer.param_groups[0]["lr"] = RATE * (1 - (epoch * batches + step) / (epochs * batches))
            standard = torch.from_numpy(((x[rows] - mean) / scale).clip(-8.0, 8.0))
            hidden = (standard @ layers[0][:-1] + layers[0][-1]).relu()
            odds = hidden @ layers[1][:-1] + layers[1][-1]
            loss = torch.nn.functional.binary_cross_entropy_with_logits(odds, torch.from_numpy(y[rows]))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        logger.debug("extractor epoch %d: loss %.4f over %d rows", epoch, loss.item(), len(x))
    return Net(mean, scale, layers[0].detach().numpy(), layers[1].detach().numpy())


def fit_curve(odds: NDArray[np.float64], is_tag: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Fit slope and intercept (Platt 1999) by Newton's method, regularised towards the identity curve (1, 0).

    Without data the identity is returned. scikit-learn's LogisticRegression shrinks towards 0 and takes no offset.
    """
    x = np.column_stack([odds, np.ones(len(odds))])
    start = np.array([1.0, 0.0])
    curve = start
    for _ in range(20):
        probability = 1.0 / (1.0 + np.exp(-x @ curve))
        gradient = x.T @ (probability - is_tag) + (curve - start)
        curve = curve - np.linalg.solve((x.T * (probability * (1.0 - probability))) @ x + np.eye(2), gradient)
    return curve
