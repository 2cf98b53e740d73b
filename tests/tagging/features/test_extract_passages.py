"""Extraction reads each video's speech and screen text once; stored passages serve later trainings."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tagging.config.media import MediaConfig
from tagging.features.extract import Extraction, extract
from tagging.features.factory import Encoders
from tagging.features.passages import passages_row
from tagging.features.statistics import HashedTextEncoder, SoundStatisticsEncoder
from tagging.progress import Silent
from tagging.store.features import FeatureStore
from tagging.types import SAMPLE_RATE_HZ, Passage, VideoRef
from tests.support.encoders import noise
from tests.support.readers import FailingReader, ScriptedSpeech

SAID = Passage("a red car", 0.5, 1.5, 0.9, "en")
ENDING = Passage("on the road", 1.5, 2.0, 0.9, "en")


@pytest.fixture
def videos(tmp_path: Path) -> list[VideoRef]:
    path = tmp_path / "sound.wav"
    soundfile.write(path, noise(2.0).samples, SAMPLE_RATE_HZ)
    return [VideoRef("a", str(path)), VideoRef("b", title="text only"), VideoRef("c", str(path))]


def extracted(videos: list[VideoRef], encoders: Encoders, root: Path) -> Extraction:
    return extract(videos, encoders, MediaConfig(workers=1), FeatureStore(root), Silent())


def test_a_content_is_read_once_and_its_passages_and_warnings_are_stored(
    videos: list[VideoRef], tmp_path: Path
) -> None:
    speech = ScriptedSpeech(SAID, warnings=("cut",))
    first = extracted(videos, Encoders(speech=speech), tmp_path / "f")
    read = speech.sounds
    again = extracted(videos, Encoders(speech=speech), tmp_path / "f")
    assert speech.sounds == read
    for found in (first, again):
        assert [dict(video.passages) for video in found.embeddings] == [{"speech": (SAID,)}, {}, {"speech": (SAID,)}]
        assert found.embeddings[0].warnings == ("cut",)


def test_another_reader_reads_again_and_another_encoder_does_not(videos: list[VideoRef], tmp_path: Path) -> None:
    speech, other = ScriptedSpeech(SAID), ScriptedSpeech(fingerprint="other")
    extracted(videos[:1], Encoders(speech=speech), tmp_path / "f")
    both = Encoders(audio=SoundStatisticsEncoder(), speech=speech)
    [video] = extracted(videos[:1], both, tmp_path / "f").embeddings
    assert "audio" in video.rows
    assert speech.sounds == 1
    [video] = extracted(videos[:1], Encoders(speech=other), tmp_path / "f").embeddings
    assert other.sounds == 1
    assert not video.passages


def test_what_a_failing_reader_could_not_read_is_tried_again(videos: list[VideoRef], tmp_path: Path) -> None:
    broken, speech = FailingReader(), ScriptedSpeech(SAID)
    broken.fingerprint = speech.fingerprint
    [video] = extracted(videos[:1], Encoders(audio=SoundStatisticsEncoder(), speech=broken), tmp_path / "f").embeddings
    assert "audio" in video.rows
    assert not video.passages
    [video] = extracted(videos[:1], Encoders(audio=SoundStatisticsEncoder(), speech=speech), tmp_path / "f").embeddings
    assert video.passages == {"speech": (SAID,)}


def test_stored_passages_get_the_row_that_a_single_video_gets(videos: list[VideoRef], tmp_path: Path) -> None:
    encoders = Encoders(text=HashedTextEncoder(64), speech=ScriptedSpeech(SAID, ENDING))
    single = passages_row([SAID, ENDING], HashedTextEncoder(64))
    for _ in range(2):  # computed, then stored
        read, titled, again = extracted(videos, encoders, tmp_path / "f").embeddings
        np.testing.assert_allclose(read.rows["speech"], single, atol=1e-3)
        np.testing.assert_allclose(again.rows["speech"], single, atol=1e-3)
        assert set(titled.rows) == {"text"}
