"""Passages in the input of recall: their texts, their vector, and the times of frames."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tagging.features.encode import embed, encode_videos
from tagging.features.factory import Encoders
from tagging.features.passages import joined, passages_row
from tagging.features.statistics import FrameStatisticsEncoder, HashedTextEncoder
from tagging.media.read_ahead import ReadVideo
from tagging.types import Frames, MediaSample, ModalityFeatures, Passage, Reading, VideoRef

VIDEO = VideoRef("v")


class WordCountingEncoder(HashedTextEncoder):
    """Counts words as tokens and reads five at most."""

    max_tokens = 5

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        return np.array([len(text.split()) for text in texts], np.int64)


def passages(*texts: str) -> tuple[Passage, ...]:
    return tuple(Passage(text, float(start), float(start + 1), 0.5) for start, text in enumerate(texts))


def test_passages_are_joined_in_order_up_to_the_limit_of_the_encoder() -> None:
    encoder = WordCountingEncoder(64)
    texts = joined(passages("one two", "three four five", "six", "seven eight nine ten eleven twelve", "end"), encoder)
    assert texts == ["one two three four five", "six", "seven eight nine ten eleven twelve", "end"]


def test_the_row_of_passages_is_the_mean_of_the_rows_of_their_texts() -> None:
    encoder = WordCountingEncoder(64)
    rows = encoder.encode(["one two three four five", "six"])
    mean = rows[0] + rows[1]
    got = passages_row(passages("one two", "three four five", "six"), encoder)
    np.testing.assert_allclose(got, mean / np.linalg.norm(mean), atol=1e-6)


def test_readings_become_passages_with_a_row_of_the_text_encoder() -> None:
    text = HashedTextEncoder(64)
    speech = Reading(passages("a talk about tyres"))
    embedded = embed(Encoders(text=text), VIDEO, ModalityFeatures(speech=speech, screen=Reading((), ("cut",))))
    assert embedded.passages == {"speech": speech.passages}
    assert embedded.modalities == ("speech",)
    assert set(embedded.rows) == {"speech"}
    np.testing.assert_allclose(embedded.rows["speech"], text.encode(["a talk about tyres"])[0], atol=1e-6)


def test_passages_without_a_text_encoder_have_no_row() -> None:
    embedded = embed(Encoders(), VIDEO, ModalityFeatures(screen=Reading(passages("EXIT"))))
    assert (embedded.rows, embedded.modalities) == ({}, ("screen",))


def frames_at(*times_s: float) -> Frames:
    return Frames(np.zeros((len(times_s), 8, 8, 3), np.uint8), np.array(times_s))


@pytest.mark.parametrize(
    ("times_s", "duration_s", "want"),
    [
        ((1.0, 3.0, 9.0), 10.0, [[0.0, 2.0], [2.0, 6.0], [6.0, 10.0]]),
        ((4.0,), 10.0, [[0.0, 10.0]]),
        ((1.0, 3.0), 2.0, [[0.0, 2.0], [2.0, 3.0]]),  # the stated duration is shorter than the picture
    ],
)
def test_a_frame_stands_for_the_time_to_which_no_other_is_closer(
    times_s: tuple[float, ...], duration_s: float, want: list[list[float]]
) -> None:
    media = MediaSample("hash", duration_s, frames_at(*times_s), None)
    [features] = encode_videos(Encoders(frames=FrameStatisticsEncoder()), [ReadVideo(VIDEO, media)])
    assert features.frame_spans is not None
    assert features.frame_spans.tolist() == want
    assert embed(Encoders(), VIDEO, replace(features, frames=None)).frame_spans is features.frame_spans


def test_a_picture_has_no_times() -> None:
    media = MediaSample("hash", 0.0, frames_at(0.0), None)
    [features] = encode_videos(Encoders(frames=FrameStatisticsEncoder()), [ReadVideo(VIDEO, media)])
    assert features.frames is not None
    assert features.frame_spans is None
