"""Model of Triton's Python backend that runs Whisper by CTranslate2; exports copy this file as model.py.

It runs in the environment of Triton, so it imports nothing of this project. On CPUs it uses one thread, like the other
models.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import triton_python_backend_utils as triton
from numpy.typing import NDArray

INPUTS = ("features", "encoding", "prompt", "suppressed", "length")
# Greedy decoding, as faster-whisper is asked for it (tagging/features/networks/speech.py).
GREEDY = {
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


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        """Load the weights of this version; args: those of Triton."""
        config = json.loads(args["model_config"])
        is_on_gpu = args["model_instance_kind"] == "GPU"
        self.languages = next((each["dims"][0] for each in config["output"] if each["name"] == "languages"), 0)
        self.whisper = ctranslate2.models.Whisper(
            str(Path(args["model_repository"], args["model_version"])),
            device="cuda" if is_on_gpu else "cpu",
            device_index=int(args["model_instance_device_id"]) if is_on_gpu else 0,
            compute_type=config["parameters"]["compute_type"]["string_value"],
            intra_threads=1,
        )

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the requests of a batch, whose tensors have equal shapes but for their rows."""
        wanted = [request for request in requests if not request.is_cancelled()]
        answers = dict(zip(map(id, wanted), self._answers(wanted), strict=True)) if wanted else {}
        return [answers.get(id(request)) or _cancelled() for request in requests]

    def _answers(self, requests: list[Any]) -> list[Any]:
        parts = [[triton.get_input_tensor_by_name(request, name).as_numpy() for request in requests] for name in INPUTS]
        ends = np.cumsum([len(rows) for rows in parts[0]])[:-1]
        try:
            found = self._outputs(*map(np.concatenate, parts))
        except Exception as error:  # CTranslate2's, for a token beyond the vocabulary, say
            return [triton.InferenceResponse(error=triton.TritonError(str(error))) for _ in requests]
        outputs = {name: np.split(rows, ends) for name, rows in found.items()}
        return [
            triton.InferenceResponse([triton.Tensor(name, rows[number]) for name, rows in outputs.items()])
            for number in range(len(requests))
        ]

    def _outputs(
        self,
        features: NDArray[Any],
        encoding: NDArray[Any],
        prompt: NDArray[Any],
        suppressed: NDArray[Any],
        length: NDArray[Any],
    ) -> dict[str, NDArray[Any]]:
        """Return the outputs of all rows; zeros, and no tokens, for what a row does not ask for."""
        rows = len(features)
        encodings: dict[int, NDArray[Any]] = {}
        tokens: list[list[int]] = [[] for _ in range(rows)]
        outputs = {name: np.zeros((rows, 1), np.float32) for name in ("score", "no_speech")}
        if self.languages:
            outputs["languages"] = np.zeros((rows, self.languages), np.float32)
        for group in _groups(suppressed, length):
            if length[group[0], 0]:
                found = self.whisper.generate(
                    ctranslate2.StorageView.from_array(encoding[group]),
                    prompt[group].tolist(),
                    max_length=int(length[group[0], 0]),
                    suppress_tokens=suppressed[group[0]].tolist(),
                    **GREEDY,
                )
                for row, result in zip(group, found, strict=True):
                    tokens[row] = result.sequences_ids[0]
                    outputs["score"][row], outputs["no_speech"][row] = result.scores[0], result.no_speech_prob
                continue
            encoded = self.whisper.encode(ctranslate2.StorageView.from_array(features[group]))
            on_cpu = encoded.to_device(ctranslate2.Device.cpu).to(ctranslate2.DataType.float32)
            encodings.update(zip(group, np.array(on_cpu), strict=True))
            if self.languages:
                for row, pairs in zip(group, self.whisper.detect_language(encoded), strict=True):
                    outputs["languages"][row] = [probability for _, probability in sorted(pairs)]
        width = max((len(each) for each in encodings.values()), default=1)
        outputs["encoding"] = np.zeros((rows, width, encoding.shape[2]), np.float32)
        for row, each in encodings.items():
            outputs["encoding"][row] = each
        outputs["tokens"] = np.full((rows, max(1, *map(len, tokens))), -1, np.int32)
        for row, found_tokens in enumerate(tokens):
            outputs["tokens"][row, : len(found_tokens)] = found_tokens
        return outputs


def _groups(suppressed: NDArray[Any], length: NDArray[Any]) -> Iterator[list[int]]:
    """Yield the rows that one call of CTranslate2 can answer, whose options are those of all rows of a call."""
    groups: dict[tuple[bytes, int], list[int]] = {}
    for row, limit in enumerate(length[:, 0].tolist()):
        groups.setdefault((suppressed[row].tobytes() if limit else b"", limit), []).append(row)
    yield from groups.values()


def _cancelled() -> Any:
    error = triton.TritonError("the caller has cancelled the request", triton.TritonError.CANCELLED)
    return triton.InferenceResponse(error=error)
