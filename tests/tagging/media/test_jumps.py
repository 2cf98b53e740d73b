"""Stray times and jumps of a file's clock."""

from pathlib import Path

import numpy as np
import pytest

from tagging.config.media import MediaConfig
from tagging.media.decode import decode
from tagging.media.jumps import mend_end, mend_times
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


def test_strays_that_cannot_be_left_out_are_moved_to_the_rest() -> None:
    times = np.r_[STEADY, HOURS, HOURS + 0.1]
    mended = mend_times(times, may_drop=False)
    assert mended.kept.all()
    np.testing.assert_allclose(times - mended.shift_s, np.arange(402) / 10, atol=1e-6)


def test_a_last_picture_that_lasts_for_hours_is_mended() -> None:
    assert mend_end(STEADY, HOURS) == pytest.approx(0.1)
    assert mend_end(STEADY, HOURS, np.arange(82) / 2) == pytest.approx(0.1)
    assert mend_end(STEADY, HOURS, np.arange(14480) / 2) is None  # with sound until its end
    assert mend_end(STEADY, 30.0) is None
    assert mend_end(np.arange(0.0, 300.0, 30.0), 90.0) is None  # slides
    assert mend_end(np.array([0.0, 10.0]), 300.0) is None


def with_last_duration(path: Path, ticks: int) -> Path:
    """Give the last sample of the first track of an MP4 file another duration."""
    data = bytearray(path.read_bytes())
    at = data.index(b"stts") + 8
    entries = [
        (at + 4 + 8 * n, data[at + 4 + 8 * n : at + 12 + 8 * n]) for n in range(int.from_bytes(data[at : at + 4]))
    ]
    assert entries[-1][1][:4] == (1).to_bytes(4)  # the last sample alone
    start, _ = entries[-1]
    data[start + 4 : start + 8] = ticks.to_bytes(4)
    path.write_bytes(data)
    return path


def test_a_film_whose_last_picture_lasts_for_hours_is_sampled_where_its_pictures_are(tmp_path: Path) -> None:
    times = [*range(99), 100]  # the last duration is an entry of its own
    film = make(tmp_path / "film.mp4", Film(frames=100, times=times, options={"g": "10", "bf": "0"}))
    sample = decode(with_last_duration(film, 3600 * 10240), MediaConfig(frames=16))
    assert sample.frames is not None
    assert len(sample.frames.pixels) == 16
    assert sample.duration_s == pytest.approx(10.1, abs=0.3)
    assert sample.warnings == ("the file's clock jumps by 3599.9 s, which was removed", "no sound track")


def test_a_jump_is_removed_though_pictures_share_times(tmp_path: Path) -> None:
    """Recordings that were joined may overlap for a moment, and be hours apart."""
    parts = [
        make(tmp_path / f"{start}.ts", Film(frames=40, times=range(start, start + 40), options={"g": "10", "bf": "0"}))
        for start in (0, 38, 100_000)
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    sample = decode(path, MediaConfig(frames=16))
    assert sample.frames is not None
    assert len(sample.frames.pixels) == 16
    assert sample.duration_s == pytest.approx(12, abs=0.5)
