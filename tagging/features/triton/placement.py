"""Placement of encoders on Triton: an in-process encoder gives its CPU part, and its network is dropped.

Loading the in-process encoder needs its memory for a moment. Afterwards the process holds tokenizers and the last
matrix of networks that predict classes (5 MB for EfficientNet-Lite), not the weights of the networks.
"""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tagging.features.base import ClassPredictor, FrameEncoder, SoundEncoder
from tagging.features.triton.client import TritonClient
from tagging.features.triton.contract import audio_model, frames_model, text_model
from tagging.features.triton.encoders import (
    ClassifyingFrameEncoder,
    ClassifyingSoundEncoder,
    Texts,
    TritonFrameEncoder,
    TritonSoundEncoder,
    TritonTextEncoder,
)
from tagging.features.triton.model import TritonModel
from tagging.types import Frames


class LocalText(Protocol):
    """An in-process text encoder with a network."""

    texts: Texts


class LocalFrames(Protocol):
    """An in-process frame encoder with a network."""

    dim: int
    fingerprint: str
    pictures: Callable[[Frames], NDArray[np.uint8]]


@runtime_checkable
class Classifying(Protocol):
    """An encoder whose class predictor works without its network."""

    classes: ClassPredictor


def text_on_triton(encoder: LocalText, client: TritonClient) -> TritonTextEncoder:
    """Return the encoder with its network on Triton. Raises what TritonModel.find raises, like those below."""
    texts = encoder.texts
    return TritonTextEncoder(texts, TritonModel.find(client, text_model(texts.dim), texts.fingerprint))


def frames_on_triton(encoder: LocalFrames, client: TritonClient) -> FrameEncoder:
    """Return the encoder with its network on Triton."""
    pictures, fingerprint, dim = encoder.pictures, encoder.fingerprint, encoder.dim
    _, height, width, _ = pictures(Frames(np.zeros((1, 8, 8, 3), np.uint8), np.zeros(1))).shape
    model = TritonModel.find(client, frames_model(height, width, dim), fingerprint)
    if isinstance(encoder, Classifying):
        return ClassifyingFrameEncoder(pictures, encoder.classes, fingerprint, dim, model)
    return TritonFrameEncoder(pictures, fingerprint, dim, model)


def sound_on_triton(encoder: SoundEncoder, client: TritonClient) -> SoundEncoder:
    """Return the encoder with its network on Triton."""
    model = TritonModel.find(client, audio_model(encoder.dim), encoder.fingerprint)
    if isinstance(encoder, Classifying):
        return ClassifyingSoundEncoder(encoder.classes, encoder.fingerprint, encoder.dim, model)
    return TritonSoundEncoder(encoder.fingerprint, encoder.dim, model)
