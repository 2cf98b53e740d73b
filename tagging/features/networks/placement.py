"""Placement of encoders on a runtime: an in-process encoder gives its CPU part, and its network is dropped.

Loading the in-process encoder needs its memory for a moment. Afterwards the process holds tokenizers and the last
matrix of networks that predict classes (5 MB for EfficientNet-Lite), not the weights of the networks.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tagging.features.base import ClassPredictor, FrameEncoder, SoundEncoder
from tagging.features.networks.base import Runtime
from tagging.features.networks.contract import audio_model, frames_model, text_model
from tagging.features.networks.encoders import (
    ClassifyingFrameEncoder,
    ClassifyingSoundEncoder,
    NetworkFrameEncoder,
    NetworkSoundEncoder,
    NetworkTextEncoder,
    Texts,
)
from tagging.types import Frames


class LocalText(Protocol):
    """An in-process text encoder with a network."""

    dim: int
    fingerprint: str
    batch_size: int

    @property
    def texts(self) -> Texts: ...


class LocalFrames(Protocol):
    """An in-process frame encoder with a network."""

    dim: int
    fingerprint: str
    batch_size: int

    @property
    def pictures(self) -> Callable[[Frames], NDArray[np.uint8]]: ...


@runtime_checkable
class Classifying(Protocol):
    """An encoder whose class predictor works without its network."""

    classes: ClassPredictor


def text_on(runtime: Runtime, encoder: LocalText) -> NetworkTextEncoder:
    """Return the encoder with its network on the runtime. Raises what `Runtime.network` raises, like those below."""
    network = runtime.network(encoder, text_model(encoder.dim))
    return NetworkTextEncoder(encoder.texts, runtime.fingerprint(encoder), network)


def frames_on(runtime: Runtime, encoder: LocalFrames) -> FrameEncoder:
    """Return the encoder with its network on the runtime."""
    pictures, fingerprint, dim = encoder.pictures, runtime.fingerprint(encoder), encoder.dim
    _, height, width, _ = pictures(Frames(np.zeros((1, 8, 8, 3), np.uint8), np.zeros(1))).shape
    network = runtime.network(encoder, frames_model(height, width, dim))
    if isinstance(encoder, Classifying):
        return ClassifyingFrameEncoder(pictures, encoder.classes, fingerprint, dim, network)
    return NetworkFrameEncoder(pictures, fingerprint, dim, network)


def sound_on(runtime: Runtime, encoder: SoundEncoder) -> SoundEncoder:
    """Return the encoder with its network on the runtime."""
    network, fingerprint = runtime.network(encoder, audio_model(encoder.dim)), runtime.fingerprint(encoder)
    if isinstance(encoder, Classifying):
        return ClassifyingSoundEncoder(encoder.classes, fingerprint, encoder.dim, network)
    return NetworkSoundEncoder(fingerprint, encoder.dim, network)
