"""Encoder factory: builds the encoders that a configuration names."""

from dataclasses import dataclass

from tagging.config.encoders import (
    AudioConfig,
    EncodersConfig,
    FrameStatisticsConfig,
    HashedTextConfig,
    MultilingualE5Config,
    OpenClipConfig,
    SentenceTransformersConfig,
    SoundStatisticsConfig,
    TextConfig,
    TrainedAudioConfig,
    TrainedVisionConfig,
    VggishConfig,
    VisionConfig,
)
from tagging.features.base import FrameEncoder, SoundEncoder, TextEncoder
from tagging.features.weights import clip_source, e5_file, text_folder, trained_file, vggish_file
from tagging.types import MODALITIES, Modality


@dataclass(frozen=True, slots=True)
class Encoders:
    """One encoder per modality; None: the modality is ignored."""

    text: TextEncoder | None = None
    frames: FrameEncoder | None = None
    audio: SoundEncoder | None = None

    def present(self) -> dict[Modality, TextEncoder | FrameEncoder | SoundEncoder]:
        """Return the encoders that are present, by modality."""
        every = zip(MODALITIES, (self.text, self.frames, self.audio), strict=True)
        return {modality: encoder for modality, encoder in every if encoder is not None}

    def fingerprints(self) -> dict[Modality, str]:
        """Return the fingerprint of each encoder that is present."""
        return {modality: encoder.fingerprint for modality, encoder in self.present().items()}


def load_encoders(config: EncodersConfig) -> Encoders:
    """Find all weights, then import the libraries and load.

    Raises MissingWeightsError or MissingPackageError before anything heavy is imported, InvalidConfigError for a
    device that is not available, ArtifactMismatchError for files that do not hold the configured model.
    """
    check_weights(config)
    device = _device(config)
    return Encoders(
        text=_text(config.text, device),
        frames=_frames(config.vision, device),
        audio=_audio(config.audio, device),
    )


def check_weights(config: EncodersConfig) -> None:
    """Raise MissingWeightsError or MissingPackageError for the first encoder that cannot be loaded; loads nothing."""
    if isinstance(config.text, SentenceTransformersConfig):
        text_folder(config.text)
    if isinstance(config.text, MultilingualE5Config):
        e5_file(config.text)
    if isinstance(config.vision, OpenClipConfig):
        clip_source(config.vision)
    if isinstance(config.vision, TrainedVisionConfig):
        trained_file(config.vision)
    if isinstance(config.audio, VggishConfig):
        vggish_file(config.audio)
    if isinstance(config.audio, TrainedAudioConfig):
        trained_file(config.audio)


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


def _device(config: EncodersConfig) -> str:
    networks = (
        SentenceTransformersConfig,
        MultilingualE5Config,
        OpenClipConfig,
        VggishConfig,
        TrainedVisionConfig,
        TrainedAudioConfig,
    )
    has_network = any(isinstance(encoder, networks) for encoder in (config.text, config.vision, config.audio))
    if config.device == "auto" and not has_network:
        return "cpu"
    from tagging.torch_tools import torch_device  # imports torch, so missing weights are reported before

    return torch_device(config.device, "encoders.device")
