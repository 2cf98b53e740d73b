"""Speech recognition: Whisper (Radford et al. 2022) through faster-whisper, behind Silero voice activity detection.

Whisper writes sentences for any sound, so it runs on detected speech alone, and a passage counts only if the model was
sure of its words and of the language.
"""

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import ctranslate2
import faster_whisper
import numpy as np
from ctranslate2 import StorageView
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment, TranscriptionInfo
from faster_whisper.vad import SpeechTimestampsMap, VadOptions, get_speech_timestamps
from numpy.typing import NDArray

from tagging import concurrency
from tagging.config.readers import WhisperConfig
from tagging.errors import ArtifactMismatchError
from tagging.features.networks.base import Network
from tagging.features.networks.speech import NetworkWhisper, SpeechNetwork
from tagging.features.side_by_side import at_once
from tagging.features.weights import fingerprint
from tagging.types import SAMPLE_RATE_HZ, Passage, Reading, Sound

VOICE = VadOptions(min_silence_duration_ms=500)
LEAST_SPEECH_S = 0.5  # in all; below it nothing is transcribed

# Judged by eye on real clips, and on sounds without speech, of which next to none may pass.
LEAST_LOG_PROBABILITY = -0.8  # mean of the passage's tokens
MOST_COMPRESSION = 2.4  # of the text by zlib: repeated phrases compress well
MOST_NO_SPEECH = 0.6
LEAST_LANGUAGE = 0.7  # probability of the language


class ComputingNetwork(Network, Protocol):
    """A network that states in which numbers it computes, which change the results."""

    @property
    def compute_type(self) -> str:
        """CTranslate2's name."""


class OneSoundWhisper(WhisperModel):  # type: ignore[misc]  # faster-whisper states no types
    """Whisper for one sound, whose first half minute it encodes once; copies for other sounds share the network.

    faster-whisper encodes that half minute for the language, and again for the text.
    """

    _last: tuple[NDArray[np.float32], StorageView] | None = None  # a spectrogram and its encoding

    def detect_language(self, *, features: NDArray[np.float32], **options: Any) -> Any:
        """Return the language of the spectrogram (mels, T), its probability, and those of all languages."""
        # The text is read without the last frame; with it, the first half minute would be another spectrogram.
        return super().detect_language(features=features[:, :-1], **options)

    def encode(self, features: NDArray[np.float32]) -> StorageView:
        """Return the encoding of the spectrogram (mels, 3000)."""
        if self._last is None or not np.array_equal(features, self._last[0]):
            self._last = features, super().encode(features)
        return self._last[1]


class WhisperReader:
    """Transcribes the first `max_speech_s` seconds of speech, in the language that most of it seems to be in."""

    def __init__(
        self,
        files: Mapping[str, Sequence[Path]],
        config: WhisperConfig,
        device: str,
        network_of: "Callable[[SpeechNetwork], ComputingNetwork] | None" = None,
    ) -> None:
        """Load the model. Raises ArtifactMismatchError if the files are no Whisper model, and what `network_of` raises.

        files: name -> parts to join
        network_of: what runs the network elsewhere; None: the device, in this process
        """
        compute_type = "float16" if device == "cuda" else "int8"
        self.files = files
        self.networks: list[Network] = []  # those outside this process
        self._max_speech_s = config.max_speech_s
        # From memory, as the halves of a packaged model.bin make no file on the disk.
        content: dict[str, Any] = {name: b"".join(part.read_bytes() for part in many) for name, many in files.items()}
        try:
            self.model = OneSoundWhisper(
                "whisper",
                device=device,
                compute_type=compute_type,
                cpu_threads=config.threads or 1,
                num_workers=at_once() if device == "cpu" else 1,
                files=content,
            )
        except Exception as error:  # of CTranslate2, tokenizers or json
            where = files["model.bin"][0].parent
            raise ArtifactMismatchError(
                f"{where} is no Whisper model that CTranslate2 {ctranslate2.__version__} can load: {error}",
                "name a folder that CTranslate2's converter wrote",
            ) from error
        if network_of is not None:
            kind = SpeechNetwork.of(files, self.model)
            network = network_of(kind)
            self.networks, compute_type = [network], network.compute_type
            self.model.model = NetworkWhisper(kind, network)
        self.fingerprint = _fingerprint(files, config, compute_type)

    def read(self, sound: Sound) -> Reading:
        """Return the trusted passages, with times in the video; empty without speech."""
        voiced = get_speech_timestamps(sound.samples, VOICE)
        found_s = _length_s(voiced)
        if found_s < LEAST_SPEECH_S:
            return Reading(())
        kept = first_of(voiced, int(self._max_speech_s * SAMPLE_RATE_HZ))
        cut = (f"only the first {self._max_speech_s:g} s of {found_s:.0f} s of speech were read",)
        model = copy.copy(self.model)  # other threads read other sounds
        segments, info = model.transcribe(
            np.concatenate([sound.samples[chunk["start"] : chunk["end"]] for chunk in kept]),
            beam_size=1,
            best_of=1,
            temperature=0.0,  # a second try at a higher temperature is rarely trusted and costs as much as the first
            condition_on_previous_text=False,  # one bad passage would spoil the next ones
            no_speech_threshold=None,  # the gates below judge every passage
        )
        passages = _passages(segments, info, SpeechTimestampsMap(kept, SAMPLE_RATE_HZ), sound.duration_s)
        return Reading(passages, cut if found_s > self._max_speech_s else ())


def _fingerprint(files: Mapping[str, Sequence[Path]], config: WhisperConfig, compute_type: str) -> str:
    settings = {
        "version": 2,  # raised when the same settings read something else
        "compute": compute_type,
        "library": faster_whisper.__version__,  # which has the voice activity detector
        "max_speech_s": config.max_speech_s,
        "gates": [LEAST_SPEECH_S, LEAST_LOG_PROBABILITY, MOST_COMPRESSION, MOST_NO_SPEECH, LEAST_LANGUAGE],
    }
    parts = {f"{name}.{number}": part for name, many in files.items() for number, part in enumerate(many)}
    return fingerprint("whisper", settings, parts)


def first_of(chunks: Iterable[dict[str, int]], samples: int) -> list[dict[str, int]]:
    """Return the first chunks ("start" to "end"), the last of them cut, so that all have at most `samples` samples."""
    kept = []
    for chunk in chunks:
        end = min(chunk["end"], chunk["start"] + samples)
        if end <= chunk["start"]:
            break
        kept.append({"start": chunk["start"], "end": end})
        samples -= end - chunk["start"]
    return kept


def is_trusted(log_probability: float, compression: float, no_speech: float, language: float) -> bool:
    """Return whether a passage passes all gates."""
    return (
        log_probability > LEAST_LOG_PROBABILITY
        and compression < MOST_COMPRESSION
        and no_speech < MOST_NO_SPEECH
        and language >= LEAST_LANGUAGE
    )


def _passages(
    segments: Iterable[Segment], info: TranscriptionInfo, times: SpeechTimestampsMap, duration_s: float
) -> tuple[Passage, ...]:
    passages = []
    for segment in segments:  # the model reads 30 s of speech at a time, which takes seconds
        concurrency.check_cancellation()
        text = " ".join(segment.text.split())
        probabilities = segment.avg_logprob, segment.compression_ratio, segment.no_speech_prob
        if not text or not is_trusted(*probabilities, info.language_probability):
            continue
        start_s = min(times.get_original_time(segment.start), duration_s)
        end_s = min(max(times.get_original_time(segment.end, is_end=True), start_s), duration_s)
        passages.append(Passage(text, start_s, end_s, math.exp(min(segment.avg_logprob, 0.0)), info.language))
    return tuple(passages)


def _length_s(chunks: Iterable[dict[str, int]]) -> float:
    return sum(chunk["end"] - chunk["start"] for chunk in chunks) / SAMPLE_RATE_HZ
