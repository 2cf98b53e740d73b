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

    A sample asks for the language of silence, and for its text.
    """
    network = SpeechNetwork.of(reader.files, reader.model)
    rows = 2 if network.languages else 1
    start = ["<|startoftranscript|>", *(["<|en|>", "<|transcribe|>"] if network.languages else [])]
    prompt, suppressed = (
        np.array([[reader.model.hf_tokenizer.token_to_id(token) for token in tokens]] * rows, np.int32)
        for tokens in (start, ["<|startofprev|>"])
    )
    inputs = {
        "features": np.full((rows, network.mels, FRAMES), SILENCE, np.float32),
        "prompt": prompt,
        "suppressed": suppressed,
        "length": np.array([[LENGTH], [0]], np.int32)[:rows],
    }
    outputs = _outputs(reader.model.model, network.spec, inputs)
    return SpeechFiles(network.spec, network, network.fingerprint, inputs, outputs)


def _outputs(model: Any, spec: ModelSpec, inputs: Arrays) -> Arrays:
    """Return the outputs of the sample: the text of its first row, the language of its second one, if any."""
    import ctranslate2

    rows = len(inputs["features"])
    outputs = {tensor.name: np.zeros((rows, *np.abs(tensor.shape)), np.float32) for tensor in spec.outputs}
    encoded = model.encode(ctranslate2.StorageView.from_array(inputs["features"][:1]))
    [found] = model.generate(
        encoded,
        inputs["prompt"][:1].tolist(),
        max_length=LENGTH,
        suppress_tokens=inputs["suppressed"][0].tolist(),
        **GREEDY,
    )
    [tokens] = found.sequences_ids
    outputs["tokens"] = np.full((rows, len(tokens)), -1, np.int32)
    outputs["tokens"][0] = tokens
    outputs["score"][0], outputs["no_speech"][0] = found.scores[0], found.no_speech_prob
    if "languages" in outputs:
        [pairs] = model.detect_language(encoded)
        outputs["languages"][1] = [probability for _, probability in sorted(pairs)]
    return outputs
