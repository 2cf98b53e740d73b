"""Graphs of encoders, with samples of what the in-process ones compute."""

from typing import Any

import numpy as np
from torch import nn

from tagging.config.random_streams import Stream
from tagging.features import efficientnet_lite, trained
from tagging.features.audio import VggishEncoder
from tagging.features.e5 import E5Encoder
from tagging.features.efficientnet_lite import EfficientNetLiteEncoder
from tagging.features.networks import contract
from tagging.features.networks.encoders import padded
from tagging.features.networks.graph import Graph
from tagging.features.networks.modules import (
    AudioGraph,
    E5Graph,
    FramesGraph,
    MeanToken,
    SentenceTransformerGraph,
    UnitFeatures,
)
from tagging.features.text import SentenceTransformerEncoder
from tagging.features.trained import TrainedFrameEncoder, TrainedSoundEncoder
from tagging.features.vision import OpenClipEncoder
from tagging.types import Frames

ROWS = 4  # of a sample
SAMPLE_TEXTS = (
    "How to bake sourdough bread at home",
    "Собака играет в снегу",
    "夏の夜の花火",
    "a beginner's guide to the guitar, lesson 12: chords, rhythm and the first song " * 12,
)


def encoder_graph(encoder: object) -> Graph | None:
    """Return the graph of an encoder; None for one without a network."""
    return _text(encoder) or _frames(encoder) or _audio(encoder)


def _text(encoder: object) -> Graph | None:
    module: nn.Module
    match encoder:
        case E5Encoder():
            module = E5Graph(encoder.words, encoder.bert)
        case SentenceTransformerEncoder():
            module = SentenceTransformerGraph(encoder.model)
        case _:
            return None
    rows = {"row": encoder.encode(SAMPLE_TEXTS)}
    tokens = padded(encoder.texts.tokens(SAMPLE_TEXTS))
    return Graph(contract.text_model(encoder.dim), module, encoder.fingerprint, tokens, rows)


def _frames(encoder: object) -> Graph | None:
    match encoder:
        case EfficientNetLiteEncoder():
            mean, deviation = efficientnet_lite.PIXEL_MEAN, efficientnet_lite.PIXEL_SCALE
            module = FramesGraph(encoder.network, [mean] * 3, [deviation] * 3)
        case TrainedFrameEncoder():
            mean, deviation = 255 * trained.PIXEL_MEAN, 255 * trained.PIXEL_STD
            module = FramesGraph(MeanToken(encoder.model.network), [mean] * 3, [deviation] * 3)
        case OpenClipEncoder():
            means, deviations = (_of_pixels(encoder.preprocessing[key]) for key in ("mean", "std"))
            module = FramesGraph(UnitFeatures(encoder.visual), means, deviations)
        case _:
            return None
    pixels = encoder.pictures(_sample_pictures())
    # A picture of the network's own size is not resized again.
    tokens = encoder.encode(encoder.prepare(Frames(pixels, np.arange(ROWS, dtype=np.float64))))
    spec = contract.frames_model(pixels.shape[1], pixels.shape[2], encoder.dim)
    return Graph(spec, module, encoder.fingerprint, {"pixels": pixels}, {"tokens": tokens})


def _audio(encoder: object) -> Graph | None:
    match encoder:
        case TrainedSoundEncoder():
            module = AudioGraph(MeanToken(encoder.model.network), trained.MEL_MEAN, trained.MEL_STD)
        case VggishEncoder():
            module = AudioGraph(encoder.model, 0.0, 1.0)
        case _:
            return None
    examples = np.random.default_rng([0, Stream.TRITON_SAMPLES]).normal(-3.0, 2.6, (ROWS, 96, 64)).astype(np.float32)
    outputs = {"tokens": encoder.encode(examples)}
    return Graph(contract.audio_model(encoder.dim), module, encoder.fingerprint, {"examples": examples}, outputs)


def _of_pixels(shares: Any) -> list[float]:
    """Return values of channels for pixels in [0, 255], from those for [0, 1]."""
    return [255 * float(share) for share in shares]


def _sample_pictures() -> Frames:
    """Gradients and noise in all colours."""
    rng = np.random.default_rng([0, Stream.TRITON_SAMPLES])
    height, width = 90, 160
    slopes = np.linspace(0, 1, height)[:, None, None] * rng.random(3) + np.linspace(0, 1, width)[:, None] * rng.random(
        3
    )
    pictures = [(255 * slopes / slopes.max() * rng.random((height, width, 1)) ** power) for power in range(ROWS)]
    return Frames(np.stack(pictures).astype(np.uint8), np.arange(ROWS, dtype=np.float64))
