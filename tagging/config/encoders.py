"""Configuration of the encoders.

Each part of the program receives only its own branch. A bundle keeps the tree that it was trained with; profiles.py
provides the values.
"""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from tagging.config.base import Branch


class SentenceTransformersConfig(Branch):
    backend: Literal["sentence-transformers"] = "sentence-transformers"
    weights: str
    max_tokens: PositiveInt = 256
    batch_size: PositiveInt = 64


class HashedTextConfig(Branch):
    """Hashed character n-grams: no weights; for tests, and an honest baseline."""

    backend: Literal["hashed-ngrams"]
    dim: Annotated[int, Field(ge=16, le=65_536)] = 256


class OpenClipConfig(Branch):
    """`model` is an open_clip architecture or `hf-hub:OWNER/NAME`; `weights` a tag of it, or a path."""

    backend: Literal["open-clip"]
    model: str
    weights: str = ""
    batch_size: PositiveInt = 32


class TrainedVisionConfig(Branch):
    """The vision encoder that this project trained; `weights` is a file that `tagging.tools.distillation` wrote."""

    backend: Literal["videotag-vision"]
    weights: str = "package:tagging/models/vision/model.safetensors"
    batch_size: PositiveInt = 64


class FrameStatisticsConfig(Branch):
    """Colour and edge statistics: no weights; for tests and quickstart, and an honest baseline."""

    backend: Literal["frame-statistics"]


class VggishConfig(Branch):
    """`weights` is "release" (the file the torchvggish release names) or a path to a state dict."""

    backend: Literal["torchvggish"]
    weights: str = "release"
    batch_size: PositiveInt = 32


class TrainedAudioConfig(Branch):
    """The audio encoder that this project trained; `weights` is a file that `tagging.tools.distillation` wrote."""

    backend: Literal["videotag-audio"]
    weights: str = "package:tagging/models/audio/model.safetensors"
    batch_size: PositiveInt = 64


class SoundStatisticsConfig(Branch):
    """Log-mel statistics: no weights; for tests and quickstart, and an honest baseline."""

    backend: Literal["sound-statistics"]


TextConfig = Annotated[SentenceTransformersConfig | HashedTextConfig, Field(discriminator="backend")]


VisionConfig = Annotated[OpenClipConfig | TrainedVisionConfig | FrameStatisticsConfig, Field(discriminator="backend")]


AudioConfig = Annotated[VggishConfig | TrainedAudioConfig | SoundStatisticsConfig, Field(discriminator="backend")]


class EncodersConfig(Branch):
    """Which encoder reads each modality; None: that modality is not looked at."""

    device: Literal["auto", "cpu", "cuda"] = "auto"  # auto: a GPU where torch sees one
    text: TextConfig | None
    vision: VisionConfig | None = None
    audio: AudioConfig | None = None
