"""Encoders on Triton: what is sent for texts, and which encoders predict classes; a function stands for the server."""

import gc
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import tagging
from tagging.features.base import ClassPredictor
from tagging.features.networks.contract import TOKENS_MULTIPLE, audio_model, frames_model, text_model
from tagging.features.networks.encoders import (
    ClassifyingFrameEncoder,
    NetworkFrameEncoder,
    NetworkSoundEncoder,
    NetworkTextEncoder,
    padded,
)
from tagging.features.networks.placement import sound_on
from tagging.features.trained import TrainedSoundEncoder
from tagging.features.triton.availability import Availability
from tagging.features.triton.model import TritonModel
from tagging.features.triton.runtime import TritonRuntime, models_of
from tagging.types import Frames
from tests.support.triton_client import FunctionClient

MODELS = Path(tagging.__file__).parent / "models"


class Letters:
    """Tokens of a text: its letters by number."""

    dim, fingerprint, max_tokens = 2, "letters", 20

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        return np.array([len(text) for text in texts])

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        return [[ord(letter) for letter in text[: self.max_tokens]] for text in texts]


def sums(ids: NDArray[np.int32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.stack([(ids * mask).sum(axis=1), mask.sum(axis=1)], axis=1).astype(np.float32)


def model(client: Any, spec: Any) -> TritonModel:
    return TritonModel(client, spec, "7", {})


def test_texts_of_similar_length_share_requests_and_rows_keep_their_order() -> None:
    rng = np.random.default_rng(0)
    texts = ["x" * int(length) for length in rng.integers(1, 60, 100)]
    client = FunctionClient(sums)
    rows = NetworkTextEncoder(Letters(), "letters", model(client, text_model(2))).encode(texts)
    want = [[ord("x") * min(len(text), 20), min(len(text), 20)] for text in texts]
    np.testing.assert_array_equal(rows, np.array(want, np.float32))
    widths = [request.inputs["ids"].shape[1] for request in client.requests]
    assert widths == sorted(widths)
    assert {request.version for request in client.requests} == {"7"}
    assert max(len(request.inputs["ids"]) for request in client.requests) <= text_model(2).max_rows


@pytest.mark.parametrize(("length", "width"), [(1, 16), (16, 16), (17, 32)])
def test_ids_are_padded_to_a_multiple_and_masked(length: int, width: int) -> None:
    inputs = padded([[5] * length, [9]])
    assert inputs["ids"].shape == inputs["mask"].shape == (2, width)
    assert width % TOKENS_MULTIPLE == 0
    assert inputs["mask"].sum(axis=1).tolist() == [length, 1]
    assert inputs["ids"][inputs["mask"]].tolist() == [5] * length + [9]
    assert [str(values.dtype) for values in (inputs["ids"], inputs["mask"])] == ["int32", "bool"]


def test_no_texts_send_nothing() -> None:
    client = FunctionClient(sums)
    assert NetworkTextEncoder(Letters(), "letters", model(client, text_model(2))).encode([]).shape == (0, 2)
    assert not client.requests


class TwoClasses:
    class_names: tuple[str, ...] = ("a", "b")
    class_words: tuple[tuple[str, ...], ...] = (("letter",), ("letter",))

    def beliefs(self, tokens: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.full((len(tokens), 2), 0.5, np.float32)


def test_frames_are_sent_as_pixels_and_classes_are_predicted_here() -> None:
    client = FunctionClient(lambda pixels: pixels.reshape(len(pixels), -1)[:, :3].astype(np.float32))
    frames = Frames(np.random.default_rng(1).integers(0, 256, (70, 4, 4, 3), np.uint8), np.arange(70.0))
    spec = frames_model(4, 4, 3)
    without = NetworkFrameEncoder(lambda given: given.pixels, "f", 3, model(client, spec))
    encoder = ClassifyingFrameEncoder(lambda given: given.pixels, TwoClasses(), "f", 3, model(client, spec))
    assert not isinstance(without, ClassPredictor)
    assert isinstance(encoder, ClassPredictor)
    rows = encoder.encode(encoder.prepare(frames))
    np.testing.assert_array_equal(rows, frames.pixels[:, 0, 0].astype(np.float32))
    assert [request.inputs["pixels"].dtype for request in client.requests] == [np.uint8] * 2
    assert encoder.beliefs(rows).shape == (70, 2)


def test_the_network_is_released_and_classes_stay() -> None:
    local = TrainedSoundEncoder(MODELS / "audio" / "model.safetensors", batch_size=4)
    client: Any = FunctionClient(lambda examples: np.ones((len(examples), 128), np.float32))
    client.fingerprints["audio"] = fingerprint = local.fingerprint
    network = weakref.ref(local.model.network)
    tokens = np.random.default_rng(0).normal(size=(3, local.dim)).astype(np.float32)
    want = local.beliefs(tokens)
    remote: Any = sound_on(TritonRuntime(client), local)
    del local
    gc.collect()
    assert network() is None
    assert (remote.fingerprint, remote.network.version) == (fingerprint, "7")
    np.testing.assert_array_equal(remote.beliefs(tokens), want)


def test_only_encoders_on_triton_have_models() -> None:
    client = FunctionClient(sums)
    text = NetworkTextEncoder(Letters(), "letters", model(client, text_model(2)))
    sound = NetworkSoundEncoder("s", 3, model(client, audio_model(3)))
    assert [found.spec.name for found in models_of([text, object(), sound])] == ["text", "audio"]


def test_changes_of_availability_are_reported_once() -> None:
    availability, seen = Availability(), list[frozenset[str]]()
    availability.listener = seen.append
    for name in ("text", "text", "audio"):
        availability.failed(name, "away")
    availability.worked("text")
    availability.worked("text")
    availability.forget_all_but({"text"})
    assert seen == [{"text"}, {"text", "audio"}, {"audio"}, frozenset()]
    assert availability.failures == 3
