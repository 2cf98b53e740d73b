"""The trained encoders of this project: their contract, on networks with random weights."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file
from torch import zeros

from tagging.errors import ArtifactMismatchError
from tagging.features.resnet import SmallResNet
from tagging.features.trained import SIDE, TrainedFrameEncoder, TrainedSoundEncoder, mean_names
from tagging.tools.distillation.classes import Classes
from tagging.tools.distillation.export import write_untrained
from tagging.types import Frames, Sound

CLASSES = Classes(("dog", "cat", "car"), (("animal",), ("animal",), ()), {})
ANCHORS = np.eye(3, 5, dtype=np.float32)


@pytest.fixture
def vision(tmp_path: Path) -> TrainedFrameEncoder:
    write_untrained("vision", CLASSES, ANCHORS, "text-1", tmp_path / "vision.safetensors")
    return TrainedFrameEncoder(tmp_path / "vision.safetensors", batch_size=3)


@pytest.fixture
def audio(tmp_path: Path) -> TrainedSoundEncoder:
    write_untrained("audio", CLASSES, ANCHORS, "text-1", tmp_path / "audio.safetensors")
    return TrainedSoundEncoder(tmp_path / "audio.safetensors", batch_size=3)


def frames(count: int, height: int = 90, width: int = 160) -> Frames:
    pixels = np.random.default_rng(count).integers(0, 256, (count, height, width, 3), np.uint8)
    return Frames(pixels, np.arange(count, dtype=np.float64))


@pytest.mark.parametrize(("height", "width"), [(90, 160), (160, 90), (1, 1), (112, 112)])
def test_frames_of_any_shape_become_one_token_each(vision: TrainedFrameEncoder, height: int, width: int) -> None:
    inputs = vision.prepare(frames(4, height, width))
    assert inputs.shape == (4, 3, SIDE, SIDE)
    assert vision.encode(inputs).shape == (4, vision.dim)


def test_sound_becomes_128_numbers_per_example(audio: TrainedSoundEncoder) -> None:
    sound = Sound(np.random.default_rng(0).uniform(-1, 1, 5 * 16_000).astype(np.float32))
    inputs = audio.prepare(sound)
    assert inputs.shape == (5, 96, 64)
    assert audio.encode(inputs).shape == (5, 128)
    assert audio.encode(inputs[:0]).shape == (0, 128)


def test_a_token_does_not_depend_on_its_batch(vision: TrainedFrameEncoder) -> None:
    inputs = vision.prepare(frames(5))
    alone = np.concatenate([vision.encode(frame[None]) for frame in inputs])
    np.testing.assert_allclose(vision.encode(inputs), alone, atol=1e-5)


def test_class_probabilities_of_frames_sum_to_one_and_those_of_sounds_are_independent(
    vision: TrainedFrameEncoder, audio: TrainedSoundEncoder
) -> None:
    seen = vision.beliefs(vision.encode(vision.prepare(frames(3))))
    assert seen.shape == (3, 3)
    np.testing.assert_allclose(seen.sum(axis=1), 1, atol=1e-5)
    heard = audio.beliefs(np.array([[50.0] * 128], np.float32))
    assert ((heard >= 0) & (heard <= 1)).all()


def test_a_name_vector_is_the_mean_of_the_names_weighted_by_probability(vision: TrainedFrameEncoder) -> None:
    tokens = vision.encode(vision.prepare(frames(2)))
    want = sum(vision.beliefs(tokens)[:, [row]] * ANCHORS[row] for row in range(3))
    np.testing.assert_allclose(vision.name_vectors(tokens), want, atol=1e-6)


def test_simultaneous_sounds_share_the_name_vector() -> None:
    beliefs = np.array([[0.9, 0.6, 0.0], [0.2, 0.0, 0.1]], np.float32)
    want = np.array([[0.6, 0.4, 0, 0, 0], [0.2, 0, 0.1, 0, 0]])
    np.testing.assert_allclose(mean_names(beliefs, ANCHORS), want, atol=1e-6)


def test_a_name_vector_uses_only_the_ten_most_probable_classes() -> None:
    beliefs = np.full((1, 12), 0.01, np.float32)
    beliefs[0, 2:] = 0.05
    want = np.where(np.arange(12) >= 2, 0.05, 0)
    np.testing.assert_allclose(mean_names(beliefs, np.eye(12, dtype=np.float32))[0], want, atol=1e-6)


def test_weights_of_another_encoder_or_another_format_are_refused(tmp_path: Path) -> None:
    write_untrained("audio", CLASSES, ANCHORS, "text-1", tmp_path / "audio.safetensors")
    save_file({"weight": zeros(2)}, tmp_path / "other.safetensors")
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    for name in ("audio", "other", "junk"):
        with pytest.raises(ArtifactMismatchError, match="videotag-vision"):
            TrainedFrameEncoder(tmp_path / f"{name}.safetensors", 2)


def test_the_fingerprint_follows_the_weights(tmp_path: Path) -> None:
    found = set()
    for seed in (1, 1, 2):
        write_untrained("vision", CLASSES, ANCHORS, "text-1", tmp_path / "w.safetensors", seed)
        found.add(TrainedFrameEncoder(tmp_path / "w.safetensors", 2).fingerprint)
    assert len(found) == 2


def test_a_network_with_the_shipped_classes_fits_in_eight_megabytes() -> None:
    network = SmallResNet(3, 256, 1141)
    assert 2 * (sum(p.numel() for p in network.state_dict().values()) + 1141 * 384) < 8.2e6
