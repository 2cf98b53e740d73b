"""State of the encoders and readers of a configuration on this machine: where their weights are, or what is missing.

No model library is imported here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tagging.config.base import Branch
from tagging.config.encoders import (
    EfficientNetLiteConfig,
    EncodersConfig,
    MultilingualE5Config,
    OpenClipConfig,
    SentenceTransformersConfig,
    TrainedAudioConfig,
    TrainedVisionConfig,
    VggishConfig,
)
from tagging.config.readers import PpOcrConfig, WhisperConfig
from tagging.errors import ArtifactMismatchError, InvalidConfigError, MissingPackageError, MissingWeightsError
from tagging.features.reader_weights import pp_ocr_files, whisper_files
from tagging.features.weights import (
    clip_source,
    e5_file,
    efficientnet_lite_file,
    text_folder,
    trained_file,
    vggish_file,
)

FINDERS: Mapping[type[Branch | None], Callable[[Any], Path]] = {
    SentenceTransformersConfig: text_folder,
    MultilingualE5Config: e5_file,
    OpenClipConfig: lambda config: clip_source(config).path,
    EfficientNetLiteConfig: efficientnet_lite_file,
    TrainedVisionConfig: trained_file,
    TrainedAudioConfig: trained_file,
    VggishConfig: vggish_file,
    WhisperConfig: lambda config: whisper_files(config)["model.bin"][0].parent,
    PpOcrConfig: lambda config: pp_ocr_files(config)["rec.onnx"].parent,
}


@dataclass(frozen=True, slots=True)
class ModelState:
    reads: str  # the modality, or what a reader reads
    backend: str
    state: Literal["ready", "missing", "off"]
    weights: str  # their path; "" for a backend without weights
    missing: str  # what is missing, and the command that gets it


def locate_weights(config: Branch | None) -> Path | None:
    """Return the file or folder of the weights of an encoder or reader; None for a backend without weights.

    Raises MissingPackageError, MissingWeightsError, InvalidConfigError, and ArtifactMismatchError for a package whose
    file is not the tried one.
    """
    find = FINDERS.get(type(config))
    return None if find is None else find(config)


def list_models(config: EncodersConfig) -> list[ModelState]:
    """Return the state of each encoder and reader; one that the configuration lacks is off."""
    parts: dict[str, Branch | None] = {
        "text": config.text,
        "frames": config.vision,
        "sound": config.audio,
        "speech": config.speech,
        "text on the screen": config.screen,
    }
    return [_state(reads, part) for reads, part in parts.items()]


def _state(reads: str, part: Branch | None) -> ModelState:
    if part is None:
        return ModelState(reads, "none", "off", "", "")
    backend = str(getattr(part, "backend", ""))
    try:
        path = locate_weights(part)
    except (MissingPackageError, MissingWeightsError, ArtifactMismatchError, InvalidConfigError) as error:
        return ModelState(
            reads, backend, "missing", "", f"{error.message}: {error.hint}" if error.hint else error.message
        )
    return ModelState(reads, backend, "ready", "" if path is None else str(path), "")
