import colorsys
import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from tagging.features import statistics
from tagging.features.base import FrameEncoder, SoundEncoder, TextEncoder
from tagging.features.statistics import FrameStatisticsEncoder, HashedTextEncoder, SoundStatisticsEncoder
from tagging.types import Frames, Sound
from tests.support.encoders import noise

TEXT: TextEncoder = HashedTextEncoder(dim=256)
FRAMES: FrameEncoder = FrameStatisticsEncoder()
SOUND: SoundEncoder = SoundStatisticsEncoder()


def assert_unit_rows(rows: NDArray[np.float32], shape: tuple[int, int]) -> None:
    assert rows.shape == shape
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), np.ones(shape[0]), atol=1e-5)


def still(colour: tuple[int, int, int], height: int = 40, width: int = 60) -> Frames:
    return Frames(np.full((1, height, width, 3), colour, np.uint8), np.zeros(1))


def test_every_text_has_a_unit_row() -> None:
    assert_unit_rows(TEXT.encode(["", " ", "a", "パン", "\ud800", "word " * 5000]), (6, 256))
    for dim in (1, 2):  # where signs are most likely to cancel out
        assert_unit_rows(HashedTextEncoder(dim).encode(["", "aa", "ab ba", "abc"]), (4, dim))


def test_texts_with_similar_spelling_are_more_similar() -> None:
    bread, breads, cars = TEXT.encode(["baking bread at home", "Baking BREADS at home!", "fast cars on a race track"])
    assert bread @ breads > 0.6
    assert abs(bread @ cars) < 0.25


def test_character_width_case_and_spaces_are_ignored() -> None:
    first, second = TEXT.encode(["ＦＩＦＡ  World Cup", " fifa world\ncup "])
    np.testing.assert_array_equal(first, second)


def test_a_hashed_row_is_the_sum_over_its_ngrams() -> None:
    text = "banana"
    want = np.zeros(256)
    padded = f" {text} "
    grams = [padded[i : i + n] for n in (2, 3, 4) for i in range(len(padded) - n + 1)]
    for gram in set(grams):
        hashed = statistics._hash(gram)
        want[(hashed >> 1) % 256] += (1 if hashed % 2 else -1) * (1 + np.log(grams.count(gram)))
    np.testing.assert_allclose(TEXT.encode([text])[0], want / np.linalg.norm(want), atol=1e-6)


def test_hashing_is_the_same_in_every_process() -> None:
    code = (
        "from tagging.features.statistics import HashedTextEncoder as E; print(E(8).encode(['bread']).tobytes().hex())"
    )
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    other = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
    )
    assert other.stdout == HashedTextEncoder(8).encode(["bread"]).tobytes().hex() + "\n"


def test_a_token_is_a_character_and_characters_over_the_limit_are_ignored() -> None:
    assert TEXT.token_counts(["", "abc", " a  b "]).tolist() == [0, 3, 3]
    long = "ab" * (TEXT.max_tokens // 2)
    np.testing.assert_array_equal(*TEXT.encode([long + "xyz", long + "zyx"]))


@pytest.mark.parametrize(("height", "width"), [(64, 96), (32, 32), (33, 47), (7, 500), (1, 1)])
def test_a_prepared_pixel_is_the_mean_of_the_area_it_covers(height: int, width: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    got = FRAMES.prepare(Frames(picture[None], np.zeros(1)))
    assert got.shape == (1, 3, 32, 32)
    assert got.dtype == np.float32
    fine = picture.repeat(32, axis=0).repeat(32, axis=1) / 255  # every pixel 32 by 32 times: areas become whole
    want = fine.reshape(32, height, 32, width, 3).mean(axis=(1, 3)).transpose(2, 0, 1)
    np.testing.assert_allclose(got[0], want, atol=1e-5)


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (94, 94, 94), (255, 0, 0)])
def test_every_plain_frame_has_a_unit_row(colour: tuple[int, int, int]) -> None:
    assert_unit_rows(FRAMES.encode(FRAMES.prepare(still(colour))), (1, FRAMES.dim))


def test_the_colour_histogram_bins_hues_in_the_order_of_the_colour_wheel() -> None:
    for turn in np.arange(0.02, 1, 1 / 6):
        colour = colorsys.hsv_to_rgb(turn, 1, 1)
        picture = np.broadcast_to(np.array(colour)[None, :, None, None], (1, 3, 32, 32))
        assert statistics._hues(picture)[0].argmax() == int(turn * 12)


def test_edges_are_counted_by_direction_and_quadrant() -> None:
    stripes = np.zeros((1, 3, 32, 32))
    stripes[:, :, :, 4:8] = 1  # upright, in the left quarters
    strengths = statistics._edges(stripes).reshape(4, 8)
    assert strengths[0].argmax() == strengths[2].argmax() == 0
    np.testing.assert_array_equal(strengths[[1, 3]], 0)
    across = statistics._edges(stripes.transpose(0, 1, 3, 2)).reshape(4, 8)
    assert across[0].argmax() == across[1].argmax() == 4


def test_similar_frames_are_nearer_than_different_frames() -> None:
    pixels = np.concatenate([still(c).pixels for c in [(200, 30, 30), (190, 40, 35), (20, 60, 200)]])
    red, other_red, blue = FRAMES.encode(FRAMES.prepare(Frames(pixels, np.arange(3.0))))
    assert red @ other_red > 0.9
    assert red @ blue < 0.5


@pytest.mark.parametrize("level", [0.0, 1.0, -0.25])
def test_every_constant_sound_has_a_unit_row(level: float) -> None:
    inputs = SOUND.prepare(Sound(np.full(32_000, level, np.float32)))
    assert_unit_rows(SOUND.encode(inputs), (2, SOUND.dim))


def test_similar_sounds_are_nearer_than_different_sounds() -> None:
    time_s = np.arange(32_000) / 16_000
    hum = Sound((0.3 * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32))
    first, second, third = (SOUND.encode(SOUND.prepare(sound))[0] for sound in (noise(1.0), noise(1.0, seed=1), hum))
    assert first @ second > 0.95
    assert first @ third < 0.5


def test_a_sound_row_holds_level_spread_and_change_of_each_band() -> None:
    example = np.random.default_rng(0).normal(size=(1, 96, 64)).astype(np.float32)
    bands = [example[0, :, band].astype(np.float64) for band in range(64)]
    levels = np.array([band.sum() / 96 for band in bands])
    spreads = np.array([((band - band.sum() / 96) ** 2).mean() ** 0.5 for band in bands])
    changes = np.array([sum(abs(band[t + 1] - band[t]) for t in range(95)) / 95 for band in bands])
    parts = [
        statistics._LEVEL_WEIGHT * (levels - statistics._LEVEL_CENTRE),
        statistics._SPREAD_WEIGHT * (spreads - statistics._SPREAD_CENTRE),
        statistics._CHANGE_WEIGHT * (changes - statistics._CHANGE_CENTRE),
        np.array([0.05]),
    ]
    row = np.concatenate(parts)
    np.testing.assert_allclose(SOUND.encode(example)[0], row / np.linalg.norm(row), atol=1e-6)


def test_empty_input_gives_no_rows_and_rows_do_not_depend_on_each_other() -> None:
    assert TEXT.encode([]).shape == (0, 256)
    assert TEXT.token_counts([]).shape == (0,)
    assert FRAMES.encode(np.zeros((0, 3, 32, 32), np.float32)).shape == (0, FRAMES.dim)
    assert SOUND.encode(np.zeros((0, 96, 64), np.float32)).shape == (0, SOUND.dim)
    inputs = np.random.default_rng(0).random((4, 3, 32, 32)).astype(np.float32)
    np.testing.assert_allclose(FRAMES.encode(inputs)[2:3], FRAMES.encode(inputs[2:3]), atol=1e-6)
    examples = SOUND.prepare(noise(3.0))
    np.testing.assert_allclose(SOUND.encode(examples)[1:2], SOUND.encode(examples[1:2]), atol=1e-6)


def test_fingerprints_differ_between_encoders_and_between_settings() -> None:
    made = {TEXT.fingerprint, HashedTextEncoder(64).fingerprint, FRAMES.fingerprint, SOUND.fingerprint}
    assert len(made) == 4
    assert HashedTextEncoder(256).fingerprint == TEXT.fingerprint
