"""Readings of speech and screen text become part of a video's features; no reader can lose the video."""

import logging
from concurrent.futures import CancelledError

import numpy as np
import pytest

from tagging import concurrency
from tagging.errors import BackendUnavailableError, DeadlineExceededError
from tagging.features.encode import encode_videos
from tagging.features.factory import Encoders
from tagging.features.read import read_passages
from tagging.features.statistics import FrameStatisticsEncoder
from tagging.media.read_ahead import ReadVideo
from tagging.types import Frames, MediaSample, Passage, Reading, Sound, VideoRef
from tests.support.encoders import noise
from tests.support.readers import FailingReader, ScriptedScreen, ScriptedSpeech

SAID = Passage("a red car", 1.0, 2.5, 0.9, "en")
SHOWN = Passage("SALE", 0.5, 0.5, 0.99)


def video(frames: Frames | None, sound: Sound | None) -> ReadVideo:
    return ReadVideo(VideoRef("v", "v.mp4"), MediaSample("0" * 64, 5.0, frames, sound))


@pytest.fixture
def pictures() -> Frames:
    return Frames(np.zeros((2, 32, 32, 3), np.uint8), np.array([0.5, 1.5]))


def test_what_readers_find_is_part_of_the_features_with_their_warnings(pictures: Frames) -> None:
    encoders = Encoders(speech=ScriptedSpeech(SAID, warnings=("cut",)), screen=ScriptedScreen(SHOWN))
    [features] = encode_videos(encoders, [video(pictures, noise(2.0))])
    assert features.speech == Reading((SAID,), ("cut",))
    assert features.screen == Reading((SHOWN,))
    assert "cut" in features.warnings


def test_a_video_without_sound_or_pictures_is_not_read(pictures: Frames) -> None:
    encoders = Encoders(speech=ScriptedSpeech(SAID), screen=ScriptedScreen(SHOWN))
    silent, blind = encode_videos(encoders, [video(pictures, None), video(None, noise(2.0))])
    assert (silent.speech, blind.screen) == (None, None)
    assert silent.screen == Reading((SHOWN,))
    assert blind.speech == Reading((SAID,))


@pytest.mark.parametrize("error", [BackendUnavailableError("Triton is away"), CancelledError()])
def test_a_server_that_fails_or_a_cancellation_is_no_odd_input(pictures: Frames, error: Exception) -> None:
    encoders = Encoders(frames=FrameStatisticsEncoder(), screen=FailingReader(error))
    with pytest.raises(type(error)):
        encode_videos(encoders, [video(pictures, noise(2.0))])


def test_a_failing_reader_is_a_warning_and_the_rest_of_the_video_is_used(
    pictures: Frames, caplog: pytest.LogCaptureFixture
) -> None:
    encoders = Encoders(frames=FrameStatisticsEncoder(), speech=FailingReader(), screen=ScriptedScreen(SHOWN))
    with caplog.at_level(logging.ERROR):
        [features] = encode_videos(encoders, [video(pictures, noise(2.0))])
    assert features.speech is None
    assert features.screen == Reading((SHOWN,))
    assert features.frames is not None
    assert "speech could not be read: RuntimeError" in features.warnings
    assert "odd input" in caplog.text  # for the operator


def test_a_reader_that_is_cancelled_between_its_steps_is_no_failing_reader() -> None:
    cancellation = concurrency.Cancellation()

    class CancelledInTheMiddle:
        fingerprint = "cancelled"

        def read(self, sound: Sound) -> Reading:
            cancellation.cancel()
            concurrency.check_cancellation()
            return Reading(())

    media = MediaSample("0" * 64, 5.0, None, noise(2.0))
    concurrency.set_cancellation(cancellation)
    try:
        with pytest.raises(DeadlineExceededError, match="callers were gone"):
            read_passages(Encoders(speech=CancelledInTheMiddle()), media, "speech")
    finally:
        concurrency.set_cancellation(None)


def test_a_reader_whose_packages_are_missing_is_a_warning_where_it_could_have_read(pictures: Frames) -> None:
    encoders = Encoders(missing={"speech": "pip install 'videotag[speech]'"})
    heard, silent = encode_videos(encoders, [video(pictures, noise(2.0)), video(pictures, None)])
    assert "speech was not read: pip install 'videotag[speech]'" in heard.warnings
    assert not [warning for warning in silent.warnings if "speech" in warning]
