"""Whisper's network outside this process, in the place of the model of CTranslate2 that faster-whisper calls.

Spectrograms, tokens, segments and their times stay faster-whisper's own code. Greedy decoding runs next to the network:
a request a token would be hundreds for half a minute of speech.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagging.errors import ArtifactMismatchError
from tagging.features.networks.base import Network
from tagging.features.networks.contract import ModelSpec, speech_model
from tagging.features.weights import fingerprint

BACKEND = 2  # raised when the model computes something else of the same files
NETWORK_FILES = ("model.bin", "config.json", "vocabulary.json", "vocabulary.txt")  # those of CTranslate2
# With which the model decodes (tagging/triton/speech_backend.py), and which faster-whisper must ask for.
GREEDY: Mapping[str, Any] = {
    "beam_size": 1,
    "patience": 1,
    "length_penalty": 1,
    "repetition_penalty": 1,
    "no_repeat_ngram_size": 0,
    "suppress_blank": True,
    "max_initial_timestamp_index": 50,
    "return_scores": True,
    "return_no_speech_prob": True,
}


@dataclass(frozen=True, slots=True, eq=False)
class SpeechNetwork:
    """The network of a Whisper model."""

    files: Mapping[str, Sequence[Path]]  # those of NETWORK_FILES that it has, each as parts to join
    mels: int  # bands of the spectrogram
    width: int  # of its encoding
    languages: tuple[str, ...]  # their tokens in alphabetical order; none: it knows English only

    @classmethod
    def of(cls, files: Mapping[str, Sequence[Path]], model: Any) -> "SpeechNetwork":
        """files: of the whole Whisper model; model: faster-whisper's that has loaded them, with its own network"""
        ids = json.loads(b"".join(part.read_bytes() for part in files["config.json"])).get("lang_ids", [])
        is_multilingual = model.model.is_multilingual
        return cls(
            {name: parts for name, parts in files.items() if name in NETWORK_FILES},
            model.model.n_mels,
            model.encode(np.zeros((model.model.n_mels, 2), np.float32)).shape[2],
            tuple(sorted(map(model.hf_tokenizer.id_to_token, ids))) if is_multilingual else (),
        )

    @property
    def spec(self) -> ModelSpec:
        return speech_model(self.mels, self.width, len(self.languages))

    @property
    def fingerprint(self) -> str:
        """Changes with what the model computes; bundles with other limits or gates share it."""
        parts = {f"{name}.{number}": part for name, many in self.files.items() for number, part in enumerate(many)}
        return fingerprint(self.spec.name, {"backend": BACKEND}, parts)


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """The answer of the model on the server for B spectrograms, whose texts are asked for with it."""

    rows: NDArray[np.float32]  # (B, T / 2, D)
    languages: NDArray[np.float32]  # (B, L) probabilities


@dataclass(frozen=True, slots=True, eq=False)
class Generated:
    """The result for one spectrogram, with the names of CTranslate2's."""

    sequences_ids: list[list[int]]
    scores: list[float]
    no_speech_prob: float


class NetworkWhisper:
    """The part of ctranslate2.models.Whisper that faster-whisper calls for greedy decoding. Thread-safe.

    An encoding, some megabytes, comes here and goes back with the question for the text: the server keeps nothing
    between calls, which any of its instances may answer, and encoding again would take longer by far.
    """

    device = "cpu"

    def __init__(self, kind: SpeechNetwork, network: Network) -> None:
        self._kind = kind
        self.is_multilingual = bool(kind.languages)
        self.n_mels = kind.mels
        self.network = network

    def encode(self, features: Any, to_cpu: bool) -> Encoded:
        """Return the encoding of spectrograms (B, mels, T), for the calls below."""
        rows = np.asarray(features)
        nothing = np.zeros((len(rows), 1), np.int32)
        inputs = {
            "features": rows,
            "encoding": np.zeros((len(rows), 1, self._kind.width), np.float32),
            "prompt": nothing,
            "suppressed": nothing,
            "length": nothing,
        }
        [found] = self.network.many([inputs])
        return Encoded(found["encoding"], found.get("languages", np.zeros((len(rows), 0), np.float32)))

    def detect_language(self, encoded: Encoded) -> list[list[tuple[str, float]]]:
        """Return the tokens of all languages with their probabilities for each spectrogram, the most probable first."""
        rows = (zip(self._kind.languages, map(float, row), strict=True) for row in encoded.languages)
        return [sorted(row, key=lambda pair: -pair[1]) for row in rows]

    def generate(
        self,
        encoded: Encoded,
        prompts: Sequence[Sequence[int]],
        *,
        max_length: int,
        suppress_tokens: Sequence[int],
        **options: Any,
    ) -> list[Generated]:
        """Return the tokens of each spectrogram after its prompt.

        suppress_tokens: which are never generated. Raises ArtifactMismatchError if faster-whisper wants other decoding.
        """
        if options != GREEDY:
            raise ArtifactMismatchError(
                f"faster-whisper decodes by {options}, and the model on the server by {dict(GREEDY)}",
                "install the release of faster-whisper that constraints.txt names",
            )
        rows = len(encoded.rows)
        inputs = {
            "features": np.zeros((rows, self.n_mels, 1), np.float32),
            "encoding": encoded.rows,
            "prompt": np.array(prompts, np.int32),
            "suppressed": np.tile(np.array(suppress_tokens, np.int32), (rows, 1)),
            "length": np.full((rows, 1), max_length, np.int32),
        }
        [found] = self.network.many([inputs])
        return [
            Generated([tokens[tokens >= 0].tolist()], score.tolist(), float(no_speech[0]))
            for tokens, score, no_speech in zip(found["tokens"], found["score"], found["no_speech"], strict=True)
        ]
