"""Detection of holes from timestamps alone; test_decode.py covers files."""

import numpy as np
import pytest

from tagging.media.holes import picture_holes

STEADY = np.arange(0, 20, 0.04)
NOTHING_STATED = np.zeros(500)
KEYS = np.ones(500, np.bool_)
SOUND = np.arange(0, 20, 0.023)


def outside(times_s: np.ndarray, start_s: float, end_s: float) -> np.ndarray:
    return times_s[(times_s < start_s) | (times_s > end_s)]


@pytest.mark.parametrize("sound", [outside(SOUND, 5.0, 8.0), SOUND[:0], SOUND[SOUND < 4]], ids=["too", "none", "ended"])
def test_a_gap_in_a_steady_track_is_a_hole(sound: np.ndarray) -> None:
    pictures = outside(STEADY, 5.01, 8.01)
    ((start_s, end_s),) = picture_holes(pictures, NOTHING_STATED[: len(pictures)], KEYS[: len(pictures)], sound)
    assert start_s == pytest.approx(5.0)
    assert end_s == pytest.approx(8.04)


def test_every_hole_is_found() -> None:
    pictures = outside(outside(STEADY, 5.01, 8.01), 12.01, 14.01)
    sound = outside(outside(SOUND, 5.1, 8.2), 11.9, 13.8)
    assert len(picture_holes(pictures, NOTHING_STATED[: len(pictures)], KEYS[: len(pictures)], sound)) == 2


def test_continuing_sound_marks_a_still_picture_and_not_a_hole() -> None:
    pictures = outside(STEADY, 5.01, 8.01)
    assert picture_holes(pictures, NOTHING_STATED[: len(pictures)], KEYS[: len(pictures)], SOUND) == []
    # Pauses in the sound alone prove nothing: a file may omit half of the sound packets of a silent film.
    assert (
        picture_holes(pictures, NOTHING_STATED[: len(pictures)], KEYS[: len(pictures)], outside(SOUND, 6.0, 7.0)) == []
    )


def test_a_frame_with_a_stated_duration_is_not_a_hole() -> None:
    pictures = outside(STEADY, 5.01, 8.01)
    stated = np.append(np.diff(pictures), 0.04)
    assert picture_holes(pictures, stated, KEYS[: len(pictures)], SOUND[:0]) == []


def test_without_sound_a_hole_ends_at_a_keyframe() -> None:
    pictures = outside(STEADY, 5.01, 8.01)
    assert picture_holes(pictures, NOTHING_STATED[: len(pictures)], ~KEYS[: len(pictures)], SOUND[:0]) == []


def test_an_irregular_track_has_no_holes() -> None:
    rng = np.random.default_rng(5)
    pictures = np.cumsum(rng.exponential(0.3, 400))
    assert picture_holes(pictures, NOTHING_STATED[:400], KEYS[:400], SOUND[:0]) == []


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_track_of_few_pictures_has_no_holes(count: int) -> None:
    assert picture_holes(STEADY[:count] * 100, NOTHING_STATED[:count], KEYS[:count], SOUND[:0]) == []
