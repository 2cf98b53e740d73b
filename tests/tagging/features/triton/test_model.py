"""Probes of models on Triton, by a client with fixed answers."""

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from tagging.errors import DeadlineExceededError
from tagging.features.networks.contract import ModelSpec, screen_detect_model, speech_model, text_model
from tagging.features.triton.model import TritonModel
from tests.support.triton_client import FunctionClient


def probed(spec: ModelSpec, monkeypatch: pytest.MonkeyPatch, ago_s: float) -> TritonModel:
    """A model whose probes are late, and of which another call has succeeded some seconds ago."""

    def late(**_: NDArray[np.generic]) -> NDArray[np.float32]:
        raise DeadlineExceededError("the deadline passed")

    client = FunctionClient(late)
    with monkeypatch.context() as earlier:
        now_s = time.monotonic()
        earlier.setattr(time, "monotonic", lambda: now_s - ago_s)
        client.availability.worked(spec.name)
    return TritonModel(client, spec, "7", {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("spec", "ago_s", "works"),
    [
        (text_model(8), 5.0, True),
        (text_model(8), 15.0, False),
        (speech_model(80, 512, 99), 15.0, True),  # one request takes seconds on a CPU
        (speech_model(80, 512, 99), 65.0, False),
    ],
)
def test_a_probe_that_waits_behind_other_requests_is_no_failure_while_they_are_answered(
    spec: ModelSpec, ago_s: float, works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = probed(spec, monkeypatch, ago_s)
    assert model.works() == works
    assert model.client.availability.failing == (set() if works else {spec.name})


def test_a_probe_is_small() -> None:
    shapes = [
        {name: values.shape for name, values in TritonModel(None, spec, "1", {}).example().items()}  # type: ignore[arg-type]
        for spec in (screen_detect_model(), speech_model(80, 512, 99))
    ]
    assert shapes == [
        {"pixels": (1, 3, 32, 32)},
        {"features": (1, 80, 32), "encoding": (1, 32, 512), "prompt": (1, 32), "suppressed": (1, 32), "length": (1, 1)},
    ]
