"""Encoder protocols, one per modality.

`prepare` is CPU work on one video; `encode` runs the model on the rows of many videos at once, so that batches are full
whatever the lengths of the videos are. Both, and `read`, may be called from several threads at once.
"""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tagging.types import Frames, Reading, Sound


class TextEncoder(Protocol):
    dim: int
    fingerprint: str  # changes whenever the same text could get another vector
    max_tokens: int

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """(B,) tokens of each text before truncation to `max_tokens`."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """B texts -> (B, D) unit rows."""


class FrameEncoder(Protocol):
    dim: int
    batch_size: int  # rows that go through the model at once
    fingerprint: str

    def prepare(self, frames: Frames) -> NDArray[Any]:
        """T pictures -> (T, ...), the inputs of the model, by its pre-processing."""

    def encode(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """(B, ...) inputs -> (B, D), one row per picture."""


class SoundEncoder(Protocol):
    dim: int
    batch_size: int  # rows that go through the model at once
    fingerprint: str

    def prepare(self, sound: Sound) -> NDArray[np.float32]:
        """Sound -> (S, 96, 64) log-mel examples of 0.96 s; S = 0 when it is shorter than one example."""

    def encode(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 96, 64) -> (B, D), one row per example."""


class SpeechReader(Protocol):
    fingerprint: str  # changes whenever the same sound could be read differently

    def read(self, sound: Sound) -> Reading:
        """Transcribe speech, within the reader's limits; what cannot be trusted is left out."""


class ScreenReader(Protocol):
    fingerprint: str

    def read(self, frames: Frames) -> Reading:
        """Read the text on some of the frames; a text on several frames is one passage from the first to the last."""


@runtime_checkable
class ClassPredictor(Protocol):
    """The additional protocol of an encoder that was trained on named classes, so that tags can be proposed by name."""

    class_names: tuple[str, ...]
    class_words: tuple[tuple[str, ...], ...]  # general words that are always true of each: "beagle": "dog", "animal"

    def beliefs(self, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        """(T, D) tokens -> (T, classes) probabilities in [0, 1]."""


def mean_pool(tokens: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the unit row (D,) of the mean of (T, D) tokens.

    Each token is normalised first, so that no single frame or example outweighs the others.
    Raises ValueError without tokens, and for a mean of length zero.
    """
    if tokens.ndim != 2 or not len(tokens):
        raise ValueError(f"cannot pool tokens of shape {tokens.shape}")
    norms = np.linalg.norm(tokens, axis=1, keepdims=True)
    mean = (tokens / np.maximum(norms, 1e-12)).mean(axis=0)
    length = float(np.linalg.norm(mean))
    if not length > 1e-6:
        raise ValueError("the mean of the tokens has no direction")
    return np.asarray(mean / length, np.float32)
