"""Fitting of the linear head of frame words (tagging/features/frame_words.py).

One logistic regression per word, on the features of EfficientNet-Lite2 for video thumbnails and the words written for
each by eye. Features are standardised for the fit and the scales folded into the weights. A strong penalty suits 2,500
pictures of 1,280 features; mean average precision on every fourth picture is flat around it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from scipy.special import logit
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from tagging.features.base import FrameEncoder
from tagging.files.atomic import atomic_file
from tagging.progress import Progress
from tagging.tools.distillation.pictures import Picture
from tagging.types import Frames

INVERSE_PENALTY = 3e-3
MOST_COMMON = 0.2  # a word on more of the thumbnails is taken to be this common in other videos: "man" is on 0.57


def encode_pictures(encoder: FrameEncoder, pictures: Sequence[Picture], progress: Progress) -> NDArray[np.float32]:
    """Return the tokens (B, D) of B pictures."""
    rows = []
    with progress.track("encode pictures", len(pictures)) as advance:
        for picture in pictures:
            rows.append(encoder.encode(encoder.prepare(Frames(picture.pixels()[None], np.zeros(1))))[0])
            advance(1)
    return np.stack(rows)


def fit_words(
    tokens: NDArray[np.float32], labels: Sequence[Sequence[str]], words: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit each of W words on the tokens (B, D) of pictures and their words; return weights (W, D) and biases (W,)."""
    scaler = StandardScaler().fit(tokens)
    scaled = scaler.transform(tokens)
    weights, biases = [], []
    for word in words:
        present = np.array([word in of_picture for of_picture in labels])
        fitted = LogisticRegression(C=INVERSE_PENALTY, max_iter=500).fit(scaled, present)
        weight = fitted.coef_[0] / scaler.scale_
        excess = max(0.0, float(logit(present.mean()) - logit(MOST_COMMON)))
        weights.append(weight)
        biases.append(float(fitted.intercept_[0]) - float(weight @ scaler.mean_) - excess)
    return np.stack(weights).astype(np.float32), np.array(biases, np.float32)


def write_words(weights: NDArray[np.float32], biases: NDArray[np.float32], file: Path) -> None:
    """Write the head: weights in half precision."""
    tensors: Mapping[str, torch.Tensor] = {"weight": torch.from_numpy(weights).half(), "bias": torch.from_numpy(biases)}
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(file) as partial:
        partial.write_bytes(save(dict(tensors)))
