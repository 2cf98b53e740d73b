"""Crops of pictures and sounds, and the stored outputs of the teacher."""

import numpy as np
import pytest
import torch

from tagging.tools.distillation import picture_crops, sound_crops
from tagging.tools.distillation.picture_crops import STUDENT_SIDE, cells, crop, halved, mix
from tagging.tools.distillation.pictures import HOLDOUT_SHARES, Picture, is_in_holdout
from tagging.tools.distillation.sounds import LabelledSound
from tagging.tools.distillation.teachers import SIDE


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def picture(name: str, source: str = "rooms", held_out: bool = False) -> Picture:
    return Picture(source, name, "", held_out, lambda: np.zeros((8, 8, 3), np.uint8))


@pytest.mark.parametrize("shape", [(32, 32), (68, 120), (300, 40), (1, 1)])
def test_a_crop_has_the_input_size_of_the_teacher(shape: tuple[int, int]) -> None:
    pixels = rng().integers(0, 256, (*shape, 3), np.uint8)
    for seed in range(20):
        drawn = crop(pixels, rng(seed))
        assert drawn.shape == (SIDE, SIDE, 3)
        assert drawn.dtype == np.uint8


def test_halving_averages_four_pixels() -> None:
    picture = rng().integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    small = halved(picture)
    assert small.shape == (STUDENT_SIDE, STUDENT_SIDE, 3)
    want = picture[10:12, 20:22].astype(float).mean(axis=(0, 1))
    np.testing.assert_allclose(small[5, 10], want, atol=0.51)


def test_cells_agree_with_adaptive_average_pooling() -> None:
    feature_map = rng().standard_normal((7, 7, 5)).astype(np.float32)
    want = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(feature_map).permute(2, 0, 1), 4)
    np.testing.assert_allclose(cells(feature_map), want.flatten(1).T.numpy(), atol=1e-6)


def test_a_mix_reports_the_share_of_the_first_picture() -> None:
    black, white = np.zeros((SIDE, SIDE, 3), np.uint8), np.full((SIDE, SIDE, 3), 255, np.uint8)
    for seed in range(20):
        mixed, share = mix(black, white, rng(seed))
        assert 0.5 <= share < 1
        assert mixed.mean() / 255 == pytest.approx(1 - share, abs=0.01)


def test_held_out_pictures_have_no_crops() -> None:
    pictures = [picture("a", "rooms"), picture("b", "rooms", held_out=True), picture("c", "cifar100")]
    numbers = picture_crops.plan(pictures, rng()).tolist()
    assert sorted(numbers) == [0] * picture_crops.CROPS["rooms"] + [2] * picture_crops.CROPS["cifar100"]


def test_the_holdout_of_each_source_has_its_share_and_is_deterministic() -> None:
    for source, share in HOLDOUT_SHARES.items():
        names = [f"{number}.jpg" for number in range(2000)]
        held_out = [is_in_holdout(source, name) for name in names]
        assert np.mean(held_out) == pytest.approx(share, abs=0.03)
        assert held_out == [is_in_holdout(source, name) for name in names]


@pytest.mark.parametrize("length", [1, 700, 20_000, sound_crops.SAMPLES, 80_000])
def test_a_sound_of_any_length_gives_a_crop_of_three_examples(length: int) -> None:
    samples = rng().uniform(-1, 1, length).astype(np.float32)
    for seed in range(10):
        assert sound_crops.crop(samples, rng(seed)).shape == (sound_crops.SAMPLES,)


def test_a_mix_of_sounds_has_the_reported_energy_share() -> None:
    first, second = (rng(seed).standard_normal(20_000).astype(np.float32) for seed in (1, 2))
    for seed in range(10):
        mixed, share = sound_crops.mix(first, 30 * second, rng(seed))
        assert 0.5 <= share < 1
        added = mixed - first
        assert np.mean(first**2) / (np.mean(first**2) + np.mean(added**2)) == pytest.approx(share, abs=0.01)


def test_resampling_changes_the_length_by_up_to_a_tenth() -> None:
    lengths = [len(sound_crops.bend(np.zeros(10_000, np.float32), rng(seed))) for seed in range(50)]
    assert 9_000 <= min(lengths) < 9_800
    assert 10_200 < max(lengths) <= 11_112


def test_held_out_sounds_have_no_crops() -> None:
    def sound(held_out: bool) -> LabelledSound:
        return LabelledSound("sounds", "a", "dog", held_out, np.zeros(1, np.float32), None, None)

    assert set(sound_crops.plan([sound(True), sound(False)], rng()).tolist()) == {1}
