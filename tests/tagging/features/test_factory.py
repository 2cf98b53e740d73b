from pathlib import Path

import numpy as np
import pytest
import torch

from tagging.config import (
    PROFILES,
    EncodersConfig,
    FrameStatisticsConfig,
    HashedTextConfig,
    OpenClipConfig,
    SentenceTransformersConfig,
    SoundStatisticsConfig,
    VggishConfig,
)
from tagging.errors import InvalidConfigError, MissingWeightsError
from tagging.features.factory import Encoders, load_encoders
from tagging.types import Frames
from tests.tagging.features.conftest import noise


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


def test_weights_are_looked_for_before_any_encoder_is_loaded(tiny_text: Path) -> None:
    config = EncodersConfig(
        text=SentenceTransformersConfig(weights=str(tiny_text)),
        audio=VggishConfig(backend="torchvggish", weights="./no/such/file"),
    )
    with pytest.raises(MissingWeightsError, match="no/such/file"):
        load_encoders(config)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_a_config_error() -> None:
    with pytest.raises(InvalidConfigError, match="cuda"):
        load_encoders(EncodersConfig(device="cuda", text=HashedTextConfig(backend="hashed-ngrams")))


def test_loading_changes_no_settings_of_torch(tiny_text: Path, tiny_clip: Path, vggish_weights: Path) -> None:
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
