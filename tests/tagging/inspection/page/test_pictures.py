"""Pictures of the page: decoded again, they show the frames and the sound that went in."""

import base64
import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tagging.features.log_mel import BANDS
from tagging.inspection.page import pictures
from tagging.inspection.page.pictures import MAX_FRAMES, spectrogram, thumbnails
from tagging.types import SAMPLE_RATE_HZ, Frames, Sound
from tests.support.encoders import noise


def decoded(uri: str) -> NDArray[np.uint8]:
    kind, data = uri.split(";base64,")
    assert kind in ("data:image/webp", "data:image/png")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


def tone(hertz: float, seconds: float) -> NDArray[np.float32]:
    clock = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (0.5 * np.sin(2 * np.pi * hertz * clock)).astype(np.float32)


def test_thumbnails_show_each_frame_in_its_shape_and_colour() -> None:
    colours = np.array([(200, 30, 30), (30, 200, 30), (30, 30, 200)], np.uint8)
    pixels = np.broadcast_to(colours[:, None, None], (3, 600, 800, 3)).copy()
    shown = thumbnails(Frames(pixels, np.array([0.5, 1.5, 2.5])))
    assert [frame.time_s for frame in shown] == [0.5, 1.5, 2.5]
    for frame, colour in zip(shown, colours, strict=True):
        picture = decoded(frame.uri)
        assert picture.shape == (360, 480, 3)
        assert np.abs(picture.astype(int) - colour).max() < 12


def test_of_many_frames_a_bounded_number_is_chosen_evenly_with_the_first_and_the_last() -> None:
    frames = Frames(np.zeros((500, 8, 8, 3), np.uint8), np.arange(500.0))
    times = [frame.time_s for frame in thumbnails(frames)]
    assert len(times) == MAX_FRAMES
    assert (times[0], times[-1]) == (0.0, 499.0)
    gaps = np.diff([time for time in times if time is not None])
    assert gaps.max() - gaps.min() <= 1.0


def test_frames_of_noise_stay_within_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "FRAMES_BYTES", 100_000)  # as 48 frames of 1,920 pixels and the real budget, quicker
    pixels = np.random.default_rng(0).integers(0, 256, (4, 600, 800, 3), np.uint8)
    shown = thumbnails(Frames(pixels, np.arange(4.0)))
    assert sum(len(frame.uri) for frame in shown) <= 100_000
    assert max(decoded(shown[0].uri).shape) < 480


def test_the_smallest_size_fits_the_budget_whatever_the_frames_show() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    assert len(pictures._webp(pixels, pictures.SIDES[-1])) * MAX_FRAMES <= pictures.FRAMES_BYTES


@pytest.mark.parametrize("times", [[0.0, np.nan], [np.inf, np.inf], [2.0, 1.0], [-1.0, 0.0]])
def test_times_that_cannot_be_shown_are_unknown(times: list[float]) -> None:
    frames = Frames(np.zeros((2, 8, 8, 3), np.uint8), np.array(times))
    assert [frame.time_s for frame in thumbnails(frames)] == [None, None]


def test_the_spectrogram_is_bright_where_and_when_a_tone_sounds() -> None:
    quiet = np.zeros(2 * SAMPLE_RATE_HZ, np.float32)
    found = spectrogram(Sound(np.concatenate([quiet, tone(300.0, 2.0), quiet, tone(4000.0, 2.0)])))
    assert found is not None
    assert found.duration_s == 8.0
    brightness = decoded(found.uri).astype(int).sum(axis=2)  # (bands, columns), high pitch on top
    assert brightness.shape[0] == BANDS
    seconds = np.array_split(brightness, 8, axis=1)
    low, high = seconds[2].mean(axis=1), seconds[6].mean(axis=1)
    assert np.argmax(low) > BANDS * 0.75
    assert np.argmax(high) < BANDS * 0.35
    assert seconds[0].max() < brightness.max() / 4
    assert seconds[5][:, 10:-10].max() < brightness.max() / 4


@pytest.mark.parametrize("samples", [1, 160, 399, 15_599, 30_961, 70 * SAMPLE_RATE_HZ + 5])
def test_a_sound_of_any_length_has_a_column_for_each_of_its_windows_up_to_a_bound(samples: int) -> None:
    found = spectrogram(Sound(noise(71.0).samples[:samples]))
    assert found is not None
    windows = -(-samples // 160)
    per_column = -(-windows // pictures.SPECTROGRAM_COLUMNS)
    assert decoded(found.uri).shape[1] == -(-windows // per_column)
    assert len(found.uri) < 120_000


def test_a_click_in_a_long_silence_is_seen_at_its_time() -> None:
    samples = np.zeros(200 * SAMPLE_RATE_HZ, np.float32)
    samples[150 * SAMPLE_RATE_HZ :][:40] = 1.0
    found = spectrogram(Sound(samples))
    assert found is not None
    column = decoded(found.uri).astype(int).sum(axis=(0, 2)).argmax()
    assert column / decoded(found.uri).shape[1] == pytest.approx(0.75, abs=0.005)


def test_no_sample_has_no_spectrogram() -> None:
    assert spectrogram(Sound(np.zeros(0, np.float32))) is None
