"""Graphs of encoders and of the recall model, with samples of what the in-process ones compute."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from recall.tower import Tower
from tagging.config.random_streams import Stream
from tagging.features import efficientnet_lite, trained
from tagging.features.audio import VggishEncoder
from tagging.features.base import FrameEncoder, SoundEncoder, TextEncoder
from tagging.features.e5 import E5Encoder
from tagging.features.efficientnet_lite import EfficientNetLiteEncoder
from tagging.features.factory import Encoders
from tagging.features.text import SentenceTransformerEncoder
from tagging.features.trained import TrainedFrameEncoder, TrainedSoundEncoder
from tagging.features.triton import contract
from tagging.features.triton.encoders import padded
from tagging.features.vision import OpenClipEncoder
from tagging.triton.graph_files import Graph
from tagging.triton.graphs import (
    AudioGraph,
    E5Graph,
    FramesGraph,
    MeanToken,
    RecallVideoGraph,
    SentenceTransformerGraph,
    UnitFeatures,
)
from tagging.types import Frames

ROWS = 4  # of a sample
SAMPLE_TEXTS = (
    "How to bake sourdough bread at home",
    "Собака играет в снегу",
    "夏の夜の花火",
    "a beginner's guide to the guitar, lesson 12: chords, rhythm and the first song " * 12,
)


def encoder_graphs(encoders: Encoders) -> Iterator[Graph]:
    """Yield the graph of every encoder that has a network."""
    for graph in (_text(encoders.text), _frames(encoders.frames), _audio(encoders.audio)):
        if graph is not None:
            yield graph


def _text(encoder: TextEncoder | None) -> Graph | None:
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


def _frames(encoder: FrameEncoder | None) -> Graph | None:
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


def _audio(encoder: SoundEncoder | None) -> Graph | None:
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


def recall_video_graph(tower: Tower, fingerprint: str) -> Graph:
    """Return the graph of the video tower of the recall model."""
    rng, width = np.random.default_rng([0, Stream.TRITON_SAMPLES]), tower.width
    dims = {"ngrams": width, **tower.dims}
    present = np.ones((ROWS, len(tower.views)), np.bool_)
    present[1:, 1:] = rng.random((ROWS - 1, len(tower.views) - 1)) < 0.5
    inputs: dict[str, NDArray[Any]] = {
        view: (rng.normal(size=(ROWS, dim)) * present[:, [column]]).astype(np.float32)
        for column, (view, dim) in enumerate(dims.items())
    }
    with torch.inference_mode():
        values = {view: torch.from_numpy(rows) for view, rows in inputs.items()}
        hidden, attention = tower(values, torch.from_numpy(present))
    spec = contract.recall_video_model(width, tower.dims)
    outputs = {"hidden": hidden.numpy(), "attention": attention.numpy()}
    return Graph(spec, RecallVideoGraph(tower), fingerprint, {**inputs, "present": present}, outputs)


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
