from pathlib import Path

import numpy as np
import pytest
import torch

from tagging.config.encoders import (
    EncodersConfig,
    FrameStatisticsConfig,
    HashedTextConfig,
    OpenClipConfig,
    SentenceTransformersConfig,
    SoundStatisticsConfig,
    TrainedAudioConfig,
    TrainedVisionConfig,
    VggishConfig,
)
from tagging.config.profiles import PROFILES
from tagging.errors import InvalidConfigError, MissingWeightsError
from tagging.features.base import ClassPredictor
from tagging.features.factory import Encoders, check_weights, load_encoders
from tagging.types import Frames
from tests.support.encoders import noise


def test_the_offline_profile_loads_without_a_network() -> None:
    encoders = load_encoders(PROFILES["offline"].encoders)
    assert encoders.text is not None
    assert encoders.text.dim == 384
    assert encoders.text.encode(["bread"]).shape == (1, 384)


def test_a_modality_that_is_not_configured_has_no_encoder() -> None:
    assert load_encoders(EncodersConfig(text=None)) == Encoders(text=None, frames=None, audio=None)


@pytest.mark.parametrize("backend", ["models", "statistics"])
def test_encoders_of_every_modality_load_and_encode(
    backend: str, tiny_text: Path, tiny_clip: Path, vggish_weights: Path, pictures: Frames
) -> None:
    config = (
        EncodersConfig(
            text=SentenceTransformersConfig(weights=str(tiny_text)),
            vision=OpenClipConfig(backend="open-clip", model="tiny-clip", weights=str(tiny_clip)),
            audio=VggishConfig(backend="torchvggish", weights=str(vggish_weights)),
        )
        if backend == "models"
        else EncodersConfig(
            text=HashedTextConfig(backend="hashed-ngrams"),
            vision=FrameStatisticsConfig(backend="frame-statistics"),
            audio=SoundStatisticsConfig(backend="sound-statistics"),
        )
    )
    encoders = load_encoders(config)
    assert encoders.text
    assert encoders.frames
    assert encoders.audio
    rows = [
        encoders.text.encode(["one", "two"]),
        encoders.frames.encode(encoders.frames.prepare(pictures)),
        encoders.audio.encode(encoders.audio.prepare(noise(3.0))),
    ]
    dims = [encoders.text.dim, encoders.frames.dim, encoders.audio.dim]
    assert [row.shape for row in rows] == list(zip([2, 5, 3], dims, strict=True))
    assert all(np.isfinite(row).all() for row in rows)
    fingerprints = [encoders.text.fingerprint, encoders.frames.fingerprint, encoders.audio.fingerprint]
    assert len(set(fingerprints)) == 3


def test_encoders_of_this_project_load_and_predict_classes(trained_weights: Path, pictures: Frames) -> None:
    config = EncodersConfig(
        text=None,
        vision=TrainedVisionConfig(backend="videotag-vision", weights=str(trained_weights / "vision.safetensors")),
        audio=TrainedAudioConfig(backend="videotag-audio", weights=str(trained_weights / "audio.safetensors")),
    )
    encoders = load_encoders(config)
    assert isinstance(encoders.frames, ClassPredictor)
    assert isinstance(encoders.audio, ClassPredictor)
    tokens = encoders.frames.encode(encoders.frames.prepare(pictures))
    assert tokens.shape == (5, encoders.frames.dim)
    assert encoders.frames.beliefs(tokens).sum(axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    tokens = encoders.audio.encode(encoders.audio.prepare(noise(3.0)))
    assert tokens.shape == (3, encoders.audio.dim)
    assert encoders.audio.beliefs(tokens).shape == (3, len(encoders.audio.class_names))


def test_encoders_of_statistics_predict_no_classes() -> None:
    config = EncodersConfig(text=None, vision=FrameStatisticsConfig(backend="frame-statistics"))
    assert not isinstance(load_encoders(config).frames, ClassPredictor)


@pytest.mark.parametrize("weights", ["./no/such/file", "package:tagging/models"])
def test_missing_trained_weights_are_reported_before_anything_is_loaded(weights: str, tiny_text: Path) -> None:
    text = SentenceTransformersConfig(weights=str(tiny_text))
    for config in (
        EncodersConfig(text=text, vision=TrainedVisionConfig(backend="videotag-vision", weights=weights)),
        EncodersConfig(text=text, audio=TrainedAudioConfig(backend="videotag-audio", weights=weights)),
    ):
        with pytest.raises(MissingWeightsError):
            check_weights(config)


def test_all_weights_are_located_before_any_encoder_is_loaded(tiny_text: Path) -> None:
    config = EncodersConfig(
        text=SentenceTransformersConfig(weights=str(tiny_text)),
        audio=VggishConfig(backend="torchvggish", weights="./no/such/file"),
    )
    with pytest.raises(MissingWeightsError, match="no/such/file"):
        load_encoders(config)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_an_unavailable_device_is_a_config_error() -> None:
    with pytest.raises(InvalidConfigError, match="cuda"):
        load_encoders(EncodersConfig(device="cuda", text=HashedTextConfig(backend="hashed-ngrams")))


def test_loading_encoders_leaves_the_settings_of_torch_alone(
    tiny_text: Path, tiny_clip: Path, vggish_weights: Path
) -> None:
    def settings() -> list[object]:
        return [
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.get_rng_state().tolist(),
        ]

    before = settings()
    load_encoders(
        EncodersConfig(
            text=SentenceTransformersConfig(weights=str(tiny_text)),
            vision=OpenClipConfig(backend="open-clip", model="tiny-clip", weights=str(tiny_clip)),
            audio=VggishConfig(backend="torchvggish", weights=str(vggish_weights)),
        )
    )
    assert settings() == before
