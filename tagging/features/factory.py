"""Encoder factory: builds the encoders that a configuration names."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from tagging.config.encoders import (
    AudioConfig,
    EfficientNetLiteConfig,
    EncodersConfig,
    FrameStatisticsConfig,
    HashedTextConfig,
    MultilingualE5Config,
    OpenClipConfig,
    RuntimeName,
    SentenceTransformersConfig,
    SoundStatisticsConfig,
    TextConfig,
    TrainedAudioConfig,
    TrainedVisionConfig,
    VggishConfig,
    VisionConfig,
)
from tagging.config.readers import PpOcrConfig, WhisperConfig
from tagging.errors import InvalidConfigError
from tagging.features.base import FrameEncoder, ScreenReader, SoundEncoder, SpeechReader, TextEncoder
from tagging.features.listing import locate_weights
from tagging.features.openvino.package import require_openvino, settled_precision
from tagging.features.reader_weights import missing_readers, pp_ocr_files, whisper_files
from tagging.features.weights import (
    clip_source,
    e5_file,
    efficientnet_lite_file,
    text_folder,
    trained_file,
    vggish_file,
)
from tagging.types import MODALITIES, PASSAGE_SOURCES, Modality, PassageSource

if TYPE_CHECKING:
    from tagging.features.networks.base import Runtime
    from tagging.features.triton.client import TritonClient

# Encoders with a network, which a GPU, OpenVINO or Triton may run.
NETWORKS = (
    SentenceTransformersConfig,
    MultilingualE5Config,
    OpenClipConfig,
    EfficientNetLiteConfig,
    TrainedVisionConfig,
    VggishConfig,
    TrainedAudioConfig,
)


@dataclass(frozen=True, slots=True)
class Encoders:
    """One encoder per modality, and the readers of passages; None: the modality is ignored, or is not read."""

    text: TextEncoder | None = None
    frames: FrameEncoder | None = None
    audio: SoundEncoder | None = None
    speech: SpeechReader | None = None
    screen: ScreenReader | None = None
    # The command that installs each configured reader whose packages are missing.
    missing: Mapping[PassageSource, str] = field(default_factory=dict)

    def present(self) -> dict[Modality, TextEncoder | FrameEncoder | SoundEncoder]:
        """Return the encoders that are present, by modality."""
        every = zip(MODALITIES, (self.text, self.frames, self.audio), strict=True)
        return {modality: encoder for modality, encoder in every if encoder is not None}

    def fingerprints(self) -> dict[Modality, str]:
        """Return the fingerprint of each encoder that is present."""
        return {modality: encoder.fingerprint for modality, encoder in self.present().items()}

    def readers(self) -> dict[PassageSource, SpeechReader | ScreenReader]:
        """Return the readers that are present, by what they read."""
        every = zip(PASSAGE_SOURCES, (self.speech, self.screen), strict=True)
        return {source: reader for source, reader in every if reader is not None}

    def reader_fingerprints(self) -> dict[PassageSource, str]:
        """Return the fingerprint of each reader that is present."""
        return {source: reader.fingerprint for source, reader in self.readers().items()}

    @property
    def reads_media(self) -> bool:
        """True if any encoder or reader needs decoded media."""
        return any(part is not None for part in (self.frames, self.audio, self.speech, self.screen))


def load_encoders(config: EncodersConfig, triton: "TritonClient | None" = None) -> Encoders:
    """Find all weights, then import the libraries and load. A reader without its packages is listed as missing.

    triton: runs the networks of encoders and readers; None: the configured runtime does. Their files are needed either
    way: the CPU part and the fingerprint come from them.
    Raises MissingWeightsError or MissingPackageError before anything heavy is imported, InvalidConfigError for a
    device or precision that is not available, ArtifactMismatchError for files that do not hold the configured model,
    and what the runtime raises.
    """
    check_weights(config)
    missing = missing_readers(config)
    runtime = _runtime(config, triton)
    device = _device(config)
    networks_at = device if runtime is None else "cpu"
    encoders = Encoders(
        text=_text(config.text, networks_at),
        frames=_frames(config.vision, networks_at),
        audio=_audio(config.audio, networks_at),
        speech=None if "speech" in missing else _speech(config.speech, device, triton),
        screen=None if "screen" in missing else _screen(config.screen, config.runtime, triton),
        missing=missing,
    )
    return encoders if runtime is None else _on(runtime, encoders, config)


def _runtime(config: EncodersConfig, triton: "TritonClient | None") -> "Runtime | None":
    """Return what runs the networks; None: torch in this process."""
    precision = settled_precision(config).precision
    if triton is not None:
        if precision == "bf16":
            raise InvalidConfigError(
                "encoders.precision is bf16, and the networks on Triton have f32",
                "leave Triton out, or train with precision f32",
            )
        from tagging.features.triton.runtime import TritonRuntime

        return TritonRuntime(triton)
    if config.runtime == "torch":
        return None
    from tagging.features.openvino.runtime import OpenVinoRuntime

    return OpenVinoRuntime("bf16" if precision == "bf16" else "f32")


def _on(runtime: "Runtime", encoders: Encoders, config: EncodersConfig) -> Encoders:
    from tagging.features.networks.placement import frames_on, sound_on, text_on

    text: Any
    frames: Any
    audio: Any
    text, frames, audio = encoders.text, encoders.frames, encoders.audio
    return replace(
        encoders,
        text=text_on(runtime, text) if runtime.runs_texts and isinstance(config.text, NETWORKS) else text,
        frames=frames_on(runtime, frames) if isinstance(config.vision, NETWORKS) else frames,
        audio=sound_on(runtime, audio) if isinstance(config.audio, NETWORKS) else audio,
    )


def check_weights(config: EncodersConfig) -> None:
    """Raise MissingWeightsError or MissingPackageError for the first encoder that cannot be loaded; loads nothing."""
    require_openvino(config)
    for encoder in (config.text, config.vision, config.audio):
        locate_weights(encoder)
    missing_readers(config)


def _text(config: TextConfig | None, device: str) -> TextEncoder | None:
    if isinstance(config, SentenceTransformersConfig):
        from tagging.features.text import SentenceTransformerEncoder

        return SentenceTransformerEncoder(text_folder(config), config.max_tokens, config.batch_size, device)
    if isinstance(config, MultilingualE5Config):
        from tagging.features.e5 import E5Encoder

        return E5Encoder(e5_file(config), config.max_tokens, config.batch_size, device)
    if isinstance(config, HashedTextConfig):
        from tagging.features.statistics import HashedTextEncoder

        return HashedTextEncoder(config.dim)
    return None


def _frames(config: VisionConfig | None, device: str) -> FrameEncoder | None:
    if isinstance(config, OpenClipConfig):
        from tagging.features.vision import OpenClipEncoder

        return OpenClipEncoder(clip_source(config), config.batch_size, device)
    if isinstance(config, EfficientNetLiteConfig):
        from tagging.features.efficientnet_lite import EfficientNetLiteEncoder

        return EfficientNetLiteEncoder(efficientnet_lite_file(config), config, device)
    if isinstance(config, TrainedVisionConfig):
        from tagging.features.trained import TrainedFrameEncoder

        return TrainedFrameEncoder(trained_file(config), config.batch_size, device)
    if isinstance(config, FrameStatisticsConfig):
        from tagging.features.statistics import FrameStatisticsEncoder

        return FrameStatisticsEncoder()
    return None


def _audio(config: AudioConfig | None, device: str) -> SoundEncoder | None:
    if isinstance(config, VggishConfig):
        from tagging.features.audio import VggishEncoder

        return VggishEncoder(vggish_file(config), config.batch_size, device)
    if isinstance(config, TrainedAudioConfig):
        from tagging.features.trained import TrainedSoundEncoder

        return TrainedSoundEncoder(trained_file(config), config.batch_size, device)
    if isinstance(config, SoundStatisticsConfig):
        from tagging.features.statistics import SoundStatisticsEncoder

        return SoundStatisticsEncoder()
    return None


def _speech(config: WhisperConfig | None, device: str, triton: "TritonClient | None") -> SpeechReader | None:
    if config is None:
        return None
    from tagging.features.speech import WhisperReader

    if triton is None:
        return WhisperReader(whisper_files(config), config, device)
    from tagging.features.triton.readers import place_speech

    return WhisperReader(whisper_files(config), config, "cpu", partial(place_speech, triton))


def _screen(config: PpOcrConfig | None, runtime: RuntimeName, triton: "TritonClient | None") -> ScreenReader | None:
    if config is None:
        return None
    from tagging.features.screen_text import PpOcrReader

    sessions = None
    if triton is not None:
        from tagging.features.triton.readers import screen_sessions

        sessions = screen_sessions(triton)
    elif runtime == "openvino":
        from tagging.features.openvino.pp_ocr import openvino_sessions

        sessions = openvino_sessions
    return PpOcrReader(pp_ocr_files(config), config, sessions)


def _device(config: EncodersConfig) -> str:
    has_network = any(isinstance(encoder, NETWORKS) for encoder in (config.text, config.vision, config.audio))
    if config.device == "auto" and not has_network and config.speech is None:
        return "cpu"
    from tagging.torch_tools import torch_device  # imports torch, so missing weights are reported before

    return torch_device(config.device, "encoders.device")
