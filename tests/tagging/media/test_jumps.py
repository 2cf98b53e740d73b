"""Stray times and jumps of a file's clock."""

from pathlib import Path

import numpy as np
import pytest

from tagging.config.media import MediaConfig
from tagging.media.decode import decode
from tagging.media.jumps import mend_times
from tests.support.media_files import Film, make, number_of

STEADY = np.arange(400) / 10
HOURS = 7200.0


def test_steady_times_stay() -> None:
    mended = mend_times(STEADY)
    assert mended.kept.all()
    assert not mended.shift_s.any()


@pytest.mark.parametrize("side", ["start", "end"])
def test_a_few_stray_times_are_left_out(side: str) -> None:
    strays = np.array([HOURS, HOURS + 0.1])
    times = np.sort(np.r_[STEADY, strays if side == "end" else -strays])
    mended = mend_times(times)
    np.testing.assert_array_equal(times[mended.kept], STEADY)
    assert mended.strays == 2


def test_strays_in_several_places_are_left_out() -> None:
    mended = mend_times(np.sort(np.r_[STEADY, -50 * HOURS, HOURS, 9 * HOURS]))
    assert mended.strays == 3


def test_a_jump_between_two_long_parts_is_removed() -> None:
    times = np.r_[STEADY, 10 * HOURS + STEADY]
    mended = mend_times(times)
    assert mended.kept.all()
    np.testing.assert_allclose(times - mended.shift_s, np.arange(800) / 10, atol=1e-6)
    assert mended.jumps_s == pytest.approx(10 * HOURS - 40)


def test_a_picture_that_is_held_while_sound_goes_on_is_no_jump() -> None:
    times = np.r_[STEADY, 1000.0]
    assert mend_times(times, np.arange(0, 1001, 0.5)).kept.all()
    assert mend_times(times, np.arange(0, 40, 0.5)).strays == 1


def test_pictures_minutes_apart_without_sound_are_no_jump() -> None:
    slides = np.r_[np.arange(10) * 5.0, 600 + np.arange(10) * 5.0]
    mended = mend_times(slides)
    assert mended.kept.all()
    assert not mended.jumps_s


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("hours", [2, 30])
def test_a_film_with_stray_times_is_sampled_where_its_pictures_are(tmp_path: Path, suffix: str, hours: int) -> None:
    times = [*range(100), hours * 36000]
    path = make(tmp_path / f"film.{suffix}", Film(frames=101, times=times, options={"g": "10"}))
    sample = decode(path, MediaConfig(frames=16))
    assert sample.frames is not None
    assert [number_of(picture) for picture in sample.frames.pixels] == [(2 * i + 1) * 100 // 32 for i in range(16)]
    assert sample.duration_s == pytest.approx(10.0, abs=0.2)
    assert sample.warnings == ("1 packet has a stray time and is left out", "no sound track")
