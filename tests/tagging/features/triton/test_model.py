"""Probes of models on Triton, by a client with fixed answers."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tagging.errors import DeadlineExceededError
from tagging.features.networks.contract import ModelSpec, screen_detect_model, speech_model, text_model
from tagging.features.triton import model
from tagging.features.triton.model import TritonModel
from tests.support.triton_client import FunctionClient


def probed(spec: ModelSpec) -> TritonModel:
    """A model of which another call has succeeded, and whose probes are late."""

    def late(**_: NDArray[np.generic]) -> NDArray[np.float32]:
        raise DeadlineExceededError("the deadline passed")

    client = FunctionClient(late)
    client.availability.worked(spec.name)
    return TritonModel(client, spec, "7", {})  # type: ignore[arg-type]


def test_a_probe_that_waits_behind_other_requests_of_a_slow_model_is_no_failure() -> None:
    speech, text = probed(speech_model(80, 99)), probed(text_model(8))
    assert (speech.works(), text.works()) == (True, False)
    assert speech.client.availability.failing == frozenset()
    assert text.client.availability.failing == {"text"}


def test_a_slow_model_that_answers_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "PATIENCE_S", 0.0)
    speech = probed(speech_model(80, 99))
    assert not speech.works()
    assert speech.client.availability.failing == {"speech"}


def test_a_probe_is_small() -> None:
    shapes = [
        {name: values.shape for name, values in TritonModel(None, spec, "1", {}).example().items()}  # type: ignore[arg-type]
        for spec in (screen_detect_model(), speech_model(80, 99))
    ]
    assert shapes == [
        {"pixels": (1, 3, 32, 32)},
        {"features": (1, 80, 32), "prompt": (1, 32), "suppressed": (1, 32), "length": (1, 1)},
    ]
