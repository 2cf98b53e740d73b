"""Whisper's network outside the process, by a network with fixed answers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tagging.errors import ArtifactMismatchError
from tagging.features.networks.base import Arrays
from tagging.features.networks.contract import ModelSpec, speech_model
from tagging.features.networks.speech import GREEDY, Encoded, NetworkWhisper, SpeechNetwork

KIND = SpeechNetwork({}, mels=80, width=4, languages=("<|de|>", "<|en|>", "<|fr|>"))
FEATURES = np.zeros((2, 80, 3000), np.float32)


class Scripted:
    """A Network that keeps what it was asked."""

    batch_size = 8

    def __init__(self, **outputs: NDArray[Any]) -> None:
        self.asked: list[Arrays] = []
        self._outputs = outputs

    @property
    def spec(self) -> ModelSpec:
        return speech_model(80, 4, 3)

    def rows(self, inputs: Arrays) -> NDArray[np.float32]:
        raise NotImplementedError

    def many(self, batches: Sequence[Arrays]) -> Sequence[Any]:
        self.asked += batches
        return [self._outputs]


def test_languages_are_named_with_the_most_probable_first() -> None:
    languages = np.array([[0.125, 0.75, 0.125], [0.5, 0.0, 0.5]], np.float32)
    network = Scripted(encoding=np.ones((2, 1500, 4), np.float32), languages=languages)
    whisper = NetworkWhisper(KIND, network)
    found = whisper.detect_language(whisper.encode(FEATURES, to_cpu=False))
    assert found[0][0] == ("<|en|>", 0.75)
    assert dict(found[1]) == {"<|de|>": 0.5, "<|en|>": 0.0, "<|fr|>": 0.5}
    assert found[1][-1] == ("<|en|>", 0.0)
    assert network.asked[0]["length"].tolist() == [[0], [0]]


def test_tokens_end_where_the_padding_begins() -> None:
    network = Scripted(
        tokens=np.array([[5, 6, -1], [7, 8, 9]], np.int32),
        score=np.array([[-0.5], [-1.0]], np.float32),
        no_speech=np.array([[0.25], [0.5]], np.float32),
    )
    whisper = NetworkWhisper(KIND, network)
    encoding = np.random.default_rng(0).normal(size=(2, 1500, 4)).astype(np.float32)
    encoded = Encoded(encoding, np.zeros((2, 3), np.float32))
    found = whisper.generate(encoded, [[1, 2], [1, 3]], max_length=448, suppress_tokens=[4, 5, 6], **GREEDY)
    assert [each.sequences_ids for each in found] == [[[5, 6]], [[7, 8, 9]]]
    assert [(each.scores, each.no_speech_prob) for each in found] == [([-0.5], 0.25), ([-1.0], 0.5)]
    [inputs] = network.asked
    assert inputs["encoding"] is encoding
    assert inputs["prompt"].tolist() == [[1, 2], [1, 3]]
    assert inputs["suppressed"].tolist() == [[4, 5, 6]] * 2
    assert inputs["length"].tolist() == [[448]] * 2
    for tensor in network.spec.inputs:
        assert inputs[tensor.name].dtype == {"FP32": np.float32, "INT32": np.int32}[tensor.dtype]


@pytest.mark.parametrize("options", [{"beam_size": 5}, {"sampling_temperature": 0.2}])
def test_decoding_that_is_not_greedy_is_refused(options: dict[str, Any]) -> None:
    whisper = NetworkWhisper(KIND, Scripted())
    encoded = Encoded(np.zeros((2, 1500, 4), np.float32), np.zeros((2, 3), np.float32))
    with pytest.raises(ArtifactMismatchError, match="faster-whisper decodes by"):
        whisper.generate(encoded, [[1], [1]], max_length=448, suppress_tokens=[4], **{**GREEDY, **options})


def test_a_model_of_one_language_is_not_asked_for_it() -> None:
    assert not NetworkWhisper(SpeechNetwork({}, 80, 4, ()), Scripted()).is_multilingual
    assert "languages" not in {tensor.name for tensor in speech_model(80, 4, 0).outputs}
