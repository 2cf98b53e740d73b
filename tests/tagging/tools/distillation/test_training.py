"""Training of the two encoders, on a few synthetic crops."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tagging.errors import InvalidConfigError
from tagging.features.resnet import SmallResNet
from tagging.features.trained import TrainedFrameEncoder, TrainedSoundEncoder
from tagging.progress import Silent
from tagging.tools.distillation import audio, curves, vision
from tagging.tools.distillation.classes import Classes
from tagging.tools.distillation.export import write
from tagging.tools.distillation.loop import batches, cosine
from tagging.tools.distillation.picture_crops import CELLS, DIM, STUDENT_SIDE, Crops
from tagging.tools.distillation.pictures import Picture
from tagging.tools.distillation.sound_crops import DIM as SOUND_DIM
from tagging.tools.distillation.sound_crops import EXAMPLES, SoundCrops
from tagging.tools.distillation.sounds import LabelledSound

CLASSES = Classes(
    names=("dog", "cat", "room"),
    words=(("animal",), ("animal",), ()),
    rows={"teacher:dog": 0, "teacher:cat": 1, "rooms:kitchen": 2, "word:man": 2, "word:dog": 0, "sounds:bark": 2},
    implied={"sounds:bark": (2, 0)},
)


def picture(source: str, name: str, label: str, held_out: bool = False) -> Picture:
    return Picture(source, name, label, held_out, lambda: np.full((4, 4, 3), 90, np.uint8))


PICTURES = [
    picture("imagenet_sample", "0", "dog"),
    picture("thumbnails", "1.jpg", ""),
    picture("rooms", "2", "kitchen"),
    picture("clips", "3", ""),
    *(picture("imagenet_sample", f"b{n}", "cat", held_out=True) for n in range(2)),
    *(picture(source, "k", "kitchen", held_out=True) for source in ("rooms",)),
]


def crops(count: int = 8) -> Crops:
    rng = np.random.default_rng(3)
    odds = rng.random((count, 2)).astype(np.float16)
    return Crops(
        pixels=rng.integers(0, 256, (count, STUDENT_SIDE, STUDENT_SIDE, 3), np.uint8),
        probabilities=(odds / odds.sum(axis=1, keepdims=True)).astype(np.float16),
        pooled=rng.standard_normal((count, DIM)).astype(np.float16),
        maps=rng.standard_normal((count, CELLS**2, DIM)).astype(np.float16),
        first=np.arange(count, dtype=np.int32) % 4,
        second=np.arange(count, dtype=np.int32)[::-1] % 4,
        share=np.linspace(0.5, 1.0, count).astype(np.float32),
    )


def sound_crops(count: int = 8) -> SoundCrops:
    rng = np.random.default_rng(3)
    return SoundCrops(
        mel=rng.standard_normal((count, EXAMPLES, 96, 64)).astype(np.float16),
        probabilities=rng.random((count, EXAMPLES, 2)).astype(np.float16),
        pooled=rng.standard_normal((count, SOUND_DIM)).astype(np.float16),
        first=np.zeros(count, np.int32),
        second=np.arange(count, dtype=np.int32) % 2,
        share=np.full(count, 0.9, np.float32),
    )


SOUNDS = [
    LabelledSound("sounds", "a", "bark", False, np.zeros(1, np.float32), None, None),
    LabelledSound("clips", "b", "", False, np.zeros(1, np.float32), None, None),
]


def test_picture_targets_mix_weighted_labels_with_the_teacher() -> None:
    labels, trust = vision.targets_of_pictures(PICTURES, CLASSES, {"1.jpg": ["man", "dog"]})
    want_labels = np.array([[1, 0, 0], [1 / 3, 0, 2 / 3], [0, 0, 1], [0, 0, 0]])
    np.testing.assert_allclose(labels[:4], want_labels, atol=1e-6)
    np.testing.assert_allclose(trust[:4], np.array([0.5, 0.7, 0.5, 0.0]), atol=1e-6)
    data = crops()
    target = vision.target_of(data, np.array([0]), labels, trust)  # a dog, and a clip without a label
    teacher = data.probabilities[0].astype(np.float32)
    share, of_label = float(data.share[0]), 0.5
    want = np.array([share * of_label, 0, 0], np.float32)
    want[:2] += (1 - share * of_label) * teacher
    np.testing.assert_allclose(target[0], want, atol=1e-6)
    assert target.sum() == pytest.approx(1, abs=1e-3)


def test_sound_targets_raise_the_teachers_by_labels_and_less_for_faint_sounds() -> None:
    labels = audio.targets_of_sounds(SOUNDS, CLASSES)
    np.testing.assert_allclose(labels, np.array([[0.8, 0, 0.8], [0, 0, 0]]), atol=1e-6)
    data = sound_crops()
    rows = np.array([0, 1])
    target = audio.target_of(data, rows, labels)
    assert target.shape == (2 * EXAMPLES, 3)
    of_teachers = data.probabilities[rows].astype(np.float32).reshape(-1, 2)
    np.testing.assert_allclose(target[:, 0], np.maximum(of_teachers[:, 0], 0.8))
    np.testing.assert_allclose(target[:, 1], of_teachers[:, 1])
    np.testing.assert_allclose(target[:, 2], 0.8)
    swapped = replace(data, first=np.ones(8, np.int32), second=np.zeros(8, np.int32))
    np.testing.assert_allclose(audio.target_of(swapped, rows, labels)[:, 2], 0.8 * 0.2, atol=1e-6)


def test_batches_cover_the_crops_once_per_epoch_and_are_reproducible() -> None:
    whole = list(batches(10, 3, 0, 7, seed=1))
    assert [step for step, _ in whole] == list(range(7))
    first_epoch = np.concatenate([rows for _, rows in whole[:3]])
    assert len(set(first_epoch.tolist())) == 9
    for (_, want), (_, got) in zip(whole[4:], batches(10, 3, 4, 7, seed=1), strict=True):
        np.testing.assert_array_equal(got, want)
    assert any((a != b).any() for (_, a), (_, b) in zip(whole, batches(10, 3, 0, 7, seed=2), strict=True))


def test_too_few_crops_for_a_batch_are_an_error() -> None:
    with pytest.raises(InvalidConfigError, match="3 crops do not fill a batch of 4"):
        next(batches(3, 4, 0, 1, seed=1))


def test_the_learning_rate_rises_then_falls_to_zero() -> None:
    rates = [cosine(done, 0.1) for done in (0.0, 0.05, 0.1, 0.5, 1.0)]
    assert rates[:3] == [0.0, 0.5, 1.0]
    assert 0 < rates[3] < 1
    assert rates[4] == pytest.approx(0)


VISION = vision.VisionTraining(epochs=2, batch=4, small_side=32, side=40, checkpoint_every=2)
AUDIO = audio.AudioTraining(epochs=2, batch=4, checkpoint_every=2)


def train_vision(work: Path) -> SmallResNet:
    work.mkdir(exist_ok=True)
    return vision.train(vision.VisionData(crops(), PICTURES, CLASSES, {}), VISION, work, "cpu", Silent())


def train_audio(work: Path) -> SmallResNet:
    work.mkdir(exist_ok=True)
    return audio.train(sound_crops(), SOUNDS, CLASSES, AUDIO, work, "cpu", Silent())


@pytest.mark.slow
@pytest.mark.parametrize(("train", "module"), [(train_vision, vision), (train_audio, audio)])
def test_a_resumed_training_gives_the_same_weights(
    train: type, module: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    want = train(tmp_path / "whole").state_dict()

    class KilledError(Exception):
        pass

    def save_and_die(*arguments: object) -> None:
        save(*arguments)
        raise KilledError

    save = module.save  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "save", save_and_die)
    with pytest.raises(KilledError):
        train(tmp_path / "killed")
    monkeypatch.setattr(module, "save", save)
    got = train(tmp_path / "killed").state_dict()
    for name, tensor in want.items():
        assert torch.equal(got[name], tensor), name


@pytest.mark.slow
def test_an_exported_network_can_be_loaded(tmp_path: Path) -> None:
    rows = np.eye(3, 6, dtype=np.float32)
    for encoder_name, train in (("vision", train_vision), ("audio", train_audio)):
        network = train(tmp_path / encoder_name)
        file = tmp_path / f"{encoder_name}.safetensors"
        write(network, encoder_name, CLASSES, rows, "text-1", file)
        again = tmp_path / "again.safetensors"
        write(network, encoder_name, CLASSES, rows, "text-1", again)
        assert again.read_bytes() == file.read_bytes()
        plain = tmp_path / "plain"
        plain.touch()
        assert file.stat().st_mode == plain.stat().st_mode
        encoder = TrainedFrameEncoder(file, 2) if encoder_name == "vision" else TrainedSoundEncoder(file, 2)
        assert (encoder.class_names, encoder.class_words) == (CLASSES.names, CLASSES.words)
        assert encoder.text_fingerprint == "text-1"


@pytest.mark.slow
def test_the_curves_train_on_nested_parts_of_the_pictures_and_at_half_the_width(tmp_path: Path) -> None:
    pictures = [*PICTURES, *(picture("clips", f"c{n}", "") for n in range(8))]
    free = np.array([n for n, still in enumerate(pictures) if not still.held_out], np.int32)
    data = replace(crops(len(free) ** 2), first=np.repeat(free, len(free)), second=np.tile(free, len(free)))
    parts = [curves.of_part(data, pictures, part) for part in curves.PARTS]
    seen = [set(part.first.tolist()) | set(part.second.tolist()) for part in parts]
    assert seen[0] < seen[1] < seen[2] == set(free.tolist())

    config = replace(VISION, epochs=1)
    table = curves.curves(vision.VisionData(data, pictures, CLASSES, {}), config, tmp_path, "cpu", Silent())
    assert [row["pictures"] for row in table] == [0.25, 0.5, 1.0, 1.0]
    steps = [row["steps"] for row in table]
    assert 1 <= int(steps[0]) < int(steps[1]) < int(steps[2]) == steps[3] == len(data.first) // config.batch
    whole, narrow = table[2]["parameters"], table[3]["parameters"]
    assert isinstance(whole, int)
    assert isinstance(narrow, int)
    assert narrow < 0.4 * whole
    assert {"top5_imagenet_sample", "top5_rooms"} <= set(table[0])
