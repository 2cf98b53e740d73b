"""The Python backend's model of speech, outside a server, whose module it imports."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("ctranslate2", reason="pip install 'videotag[speech]' to test the speech reader")

from tagging.features.networks.contract import speech_model
from tagging.features.networks.speech import GREEDY

pytestmark = pytest.mark.speech


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Any:
    name = "tagging.triton.speech_backend"
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", ModuleType("triton_python_backend_utils"))
    monkeypatch.delitem(sys.modules, name, raising=False)
    module = import_module(name)
    monkeypatch.delitem(sys.modules, name)
    return module


def test_the_server_decodes_as_callers_require(backend: Any) -> None:
    assert backend.GREEDY == GREEDY


def test_the_inputs_are_those_of_the_contract(backend: Any) -> None:
    assert tuple(tensor.name for tensor in speech_model(80, 512, 99).inputs) == backend.INPUTS
