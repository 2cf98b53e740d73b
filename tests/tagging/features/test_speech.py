"""Whisper on real speech, and on what is none."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest

pytest.importorskip("faster_whisper", reason="pip install 'videotag[speech]' to test the speech reader")

from tagging import concurrency
from tagging.config.media import MediaConfig
from tagging.config.readers import WhisperConfig
from tagging.errors import ArtifactMismatchError, DeadlineExceededError, MissingWeightsError
from tagging.features.reader_weights import whisper_files
from tagging.features.speech import WhisperReader, first_of, is_trusted
from tagging.media.decode import decode
from tagging.types import SAMPLE_RATE_HZ, Passage, Sound
from tests.support.encoders import noise

pytestmark = pytest.mark.speech


@pytest.fixture(scope="module")
def reader() -> WhisperReader:
    return reading_at_most(20.0)


@pytest.fixture(scope="module")
def speech(shared_data: Path) -> Sound:
    """About 2.5 s of speech: "attach it with some electrical tape"."""
    sound = decode(shared_data / "clips" / "panda_d2aae68c6c.mp4", MediaConfig()).sound
    assert sound is not None
    return sound


def reading_at_most(seconds: float) -> WhisperReader:
    config = WhisperConfig(max_speech_s=seconds, threads=1)
    return WhisperReader(whisper_files(config), config, "cpu")


def after_silence(sound: Sound, silence_s: float) -> Sound:
    return Sound(np.concatenate([np.zeros(round(silence_s * SAMPLE_RATE_HZ), np.float32), sound.samples]))


def test_words_are_read_with_language_confidence_and_times(reader: WhisperReader, speech: Sound) -> None:
    reading = reader.read(after_silence(speech, 6.0))
    text = " ".join(passage.text for passage in reading.passages).lower()
    assert "electrical tape" in text
    assert {passage.language for passage in reading.passages} == {"en"}
    assert all(0.45 < passage.confidence <= 1.0 for passage in reading.passages)  # exp(-0.8) is 0.449
    assert reading.passages[0].start_s >= 5.0  # speech is padded by 0.4 s
    assert reading.passages[-1].end_s <= 6.0 + speech.duration_s
    assert reading.warnings == ()


class CountingNetwork:
    """A network that counts what it encodes, and detects no language until `at_once` sounds were encoded for it."""

    def __init__(self, network: Any, at_once: int) -> None:
        self.spectrograms: list[int] = []  # hashes
        self._network, self._encoded = network, Barrier(at_once, timeout=60.0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def encode(self, features: Any, to_cpu: bool) -> Any:
        self.spectrograms.append(hash(np.array(features).tobytes()))
        return self._network.encode(features, to_cpu=to_cpu)

    def detect_language(self, encoded: Any) -> Any:
        self._encoded.wait()
        return self._network.detect_language(encoded)


def counting(seconds: float, at_once: int) -> tuple[WhisperReader, CountingNetwork]:
    reader = reading_at_most(seconds)
    network = reader.model.model = CountingNetwork(reader.model.model, at_once)
    return reader, network


def test_language_and_text_of_a_short_sound_are_read_from_one_encoding(speech: Sound) -> None:
    reader, network = counting(20.0, at_once=1)
    passages = reader.read(speech).passages
    assert len(network.spectrograms) == 1
    assert "electrical tape" in " ".join(passage.text for passage in passages).lower()


def test_no_half_minute_of_a_long_sound_is_encoded_twice(speech: Sound) -> None:
    reader, network = counting(35.0, at_once=1)
    assert reader.read(Sound(np.resize(speech.samples, 60 * SAMPLE_RATE_HZ))).passages
    assert 2 <= len(network.spectrograms) == len(set(network.spectrograms))


def test_sounds_that_are_read_at_once_are_encoded_once_each(reader: WhisperReader, speech: Sound) -> None:
    counted, network = counting(20.0, at_once=2)
    sounds = [speech, Sound(speech.samples[: 2 * SAMPLE_RATE_HZ])]
    with ThreadPoolExecutor(2) as threads:
        readings = list(threads.map(counted.read, sounds))
    assert len(network.spectrograms) == 2
    assert readings == [reader.read(sound) for sound in sounds]


def test_silence_noise_and_music_are_no_speech(reader: WhisperReader) -> None:
    seconds = np.arange(8 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    chord = sum(np.sin(2 * np.pi * hertz * seconds) for hertz in (220.0, 277.2, 329.6)) / 4
    for sound in (np.zeros(5 * SAMPLE_RATE_HZ), noise(5.0).samples, chord, np.zeros(0), np.ones(100)):
        assert reader.read(Sound(np.asarray(sound, np.float32))).passages == ()


def test_sounds_without_words_give_next_to_no_passages(reader: WhisperReader, shared_data: Path) -> None:
    passages: list[Passage] = []
    for name in ("vas_338fc6cfeb", "vggsound_17d0a9e7"):  # a cough, a bongo: the detector hears a voice in both
        [path] = (shared_data / "clips").glob(f"{name}*")
        sound = decode(path, MediaConfig()).sound
        assert sound is not None
        passages += reader.read(sound).passages
    # Without the gates 2 to 4. CTranslate2's int8 kernels differ between processors: with AVX2 "Oh, oh" passes.
    assert len(passages) <= 1


def test_speech_beyond_the_limit_is_not_read_and_the_cut_is_stated(speech: Sound) -> None:
    five_minutes = np.resize(speech.samples, 300 * SAMPLE_RATE_HZ)
    reading = reading_at_most(5.0).read(Sound(five_minutes))
    [warning] = reading.warnings
    assert warning.startswith("only the first 5 s of")
    assert reading.passages[-1].end_s < 20.0


def test_speech_is_not_read_on_when_the_callers_are_gone(reader: WhisperReader, speech: Sound) -> None:
    cancellation = concurrency.Cancellation()
    cancellation.cancel()
    concurrency.set_cancellation(cancellation)
    try:
        with pytest.raises(DeadlineExceededError):
            reader.read(speech)
    finally:
        concurrency.set_cancellation(None)


def test_the_limit_counts_speech_and_cuts_the_last_chunk() -> None:
    chunks = [{"start": 100, "end": 200}, {"start": 500, "end": 700}, {"start": 900, "end": 950}]
    assert first_of(chunks, 1000) == chunks
    assert first_of(chunks, 150) == [{"start": 100, "end": 200}, {"start": 500, "end": 550}]
    assert first_of(chunks, 100) == [{"start": 100, "end": 200}]


@pytest.mark.parametrize(
    ("log_probability", "compression", "no_speech", "language"),
    [(-1.2, 1.0, 0.1, 0.9), (-0.2, 11.3, 0.1, 0.9), (-0.5, 1.0, 0.8, 0.9), (-0.5, 1.0, 0.1, 0.5)],
    ids=["unsure words", "a loop", "no speech", "an unsure language"],
)
def test_each_gate_stops_junk_alone(
    log_probability: float, compression: float, no_speech: float, language: float
) -> None:
    assert is_trusted(-0.5, 1.0, 0.1, 0.9)
    assert not is_trusted(log_probability, compression, no_speech, language)


def test_the_fingerprint_follows_the_limit(reader: WhisperReader) -> None:
    assert reading_at_most(20.0).fingerprint == reader.fingerprint
    assert reading_at_most(21.0).fingerprint != reader.fingerprint


def test_weights_that_are_no_whisper_model_are_one_error(tmp_path: Path) -> None:
    config = WhisperConfig(weights=str(tmp_path))
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(MissingWeightsError, match=r"no model\.bin"):
        whisper_files(config)
    (tmp_path / "model.bin").write_bytes(b"junk" * 100)
    with pytest.raises(ArtifactMismatchError, match="no Whisper model"):
        WhisperReader(whisper_files(config), config, "cpu")
