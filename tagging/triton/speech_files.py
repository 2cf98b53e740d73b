"""The model of speech in a repository: Whisper's files as CTranslate2 reads them, and samples of what it computes."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tagging.features.networks.base import Arrays
from tagging.features.networks.contract import ModelSpec
from tagging.features.networks.speech import GREEDY, SpeechNetwork

if TYPE_CHECKING:
    from tagging.features.speech import WhisperReader

FRAMES, SILENCE = 200, -1.5  # of a sample: the spectrogram of 2 s without any sound, which is computed quickly
LENGTH = 8  # of the prompt and the tokens after it


@dataclass(frozen=True, slots=True, eq=False)
class SpeechFiles:
    """The files of a network, and what the in-process model computes for a few inputs."""

    spec: ModelSpec
    network: SpeechNetwork
    fingerprint: str
    inputs: Arrays
    outputs: Arrays

    def write(self, folder: Path) -> None:
        """Write the files, each whole."""
        for name, parts in self.network.files.items():
            with (folder / name).open("wb") as file:
                for part in parts:
                    file.write(part.read_bytes())

    def run(self, folder: Path) -> Arrays:
        """Return the outputs of the files in a folder for the inputs."""
        import ctranslate2

        model = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="int8", intra_threads=1)
        return _outputs(model, self.spec, self.inputs)


def speech_files(reader: "WhisperReader") -> SpeechFiles:
    """Return the files of the reader's network. reader: with CTranslate2's own model, on the CPU

    A sample asks for the encoding of silence, with its language, and for its text.
    """
    from ctranslate2 import StorageView

    network = SpeechNetwork.of(reader.files, reader.model)
    silence = np.full((2, network.mels, FRAMES), SILENCE, np.float32)
    encoding = np.array(reader.model.model.encode(StorageView.from_array(silence), to_cpu=True))
    start = ["<|startoftranscript|>", *(["<|en|>", "<|transcribe|>"] if network.languages else [])]
    prompt, suppressed = (
        np.array([[reader.model.hf_tokenizer.token_to_id(token) for token in tokens]] * 2, np.int32)
        for tokens in (start, ["<|startofprev|>"])
    )
    inputs = {
        "features": silence,
        "encoding": encoding,
        "prompt": prompt,
        "suppressed": suppressed,
        "length": np.array([[LENGTH], [0]], np.int32),
    }
    outputs = _outputs(reader.model.model, network.spec, inputs)
    return SpeechFiles(network.spec, network, network.fingerprint, inputs, outputs)


def _outputs(model: Any, spec: ModelSpec, inputs: Arrays) -> Arrays:
    """Return the outputs of the sample: the text of its first row, encoding and language of its second one."""
    from ctranslate2 import StorageView

    rows = len(inputs["features"])
    outputs = {tensor.name: np.zeros((rows, *np.abs(tensor.shape)), np.float32) for tensor in spec.outputs}
    [found] = model.generate(
        StorageView.from_array(inputs["encoding"][:1]),
        inputs["prompt"][:1].tolist(),
        max_length=LENGTH,
        suppress_tokens=inputs["suppressed"][0].tolist(),
        **GREEDY,
    )
    [tokens] = found.sequences_ids
    outputs["tokens"] = np.full((rows, len(tokens)), -1, np.int32)
    outputs["tokens"][0] = tokens
    outputs["score"][0], outputs["no_speech"][0] = found.scores[0], found.no_speech_prob
    encoded = model.encode(StorageView.from_array(inputs["features"][1:]))
    outputs["encoding"] = np.concatenate([np.zeros_like(inputs["encoding"][:1]), np.array(encoded)])
    if "languages" in outputs:
        [pairs] = model.detect_language(encoded)
        outputs["languages"][1] = [probability for _, probability in sorted(pairs)]
    return outputs
