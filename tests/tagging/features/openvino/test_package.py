"""The keys `encoders.runtime` and `encoders.precision`: errors before anything is loaded, and what a bundle states."""

import importlib.util
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tagging.config.encoders import EncodersConfig
from tagging.config.profiles import load_config, parse_config
from tagging.errors import InvalidConfigError, MissingPackageError
from tagging.features import factory
from tagging.features.openvino import package
from tagging.features.openvino.package import settled_precision

OFFLINE = load_config("offline").encoders


def config(**values: Any) -> EncodersConfig:
    return EncodersConfig.model_validate({**OFFLINE.model_dump(), **values})


def test_a_missing_package_is_one_error_before_any_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(factory, "locate_weights", lambda _: pytest.fail("weights were looked for"))
    with pytest.raises(MissingPackageError, match="the package openvino is not installed") as error:
        factory.load_encoders(config(runtime="openvino"))
    assert error.value.hint == "pip install 'videotag[openvino]'"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"runtime": "openvino", "device": "cuda"}, "runtime openvino uses the CPU"),
        ({"precision": "bf16"}, "precision bf16 needs runtime openvino"),
        ({"runtime": "onnxruntime"}, "encoders.runtime"),
    ],
)
def test_settings_that_exclude_each_other_name_the_key(values: dict[str, str], message: str) -> None:
    tree = load_config("offline").model_dump()
    with pytest.raises(InvalidConfigError, match=message):
        parse_config({**tree, "encoders": {**tree["encoders"], **values}}, "test")


@pytest.mark.parametrize(
    ("amx", "processor", "capabilities", "precision"),
    [
        (True, "Intel(R) Xeon(R)", ["FP32", "BF16"], "bf16"),
        (False, "Intel(R) Xeon(R)", ["FP32", "BF16"], "f32"),
        (False, "AMD EPYC", ["FP32", "BF16"], "bf16"),
        (False, "AMD EPYC", ["FP32"], "f32"),
    ],
)
def test_training_states_bf16_where_the_processor_is_faster_with_it(
    amx: bool, processor: str, capabilities: list[str], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    properties = {"FULL_DEVICE_NAME": processor, "OPTIMIZATION_CAPABILITIES": capabilities}
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(package, "core", lambda: SimpleNamespace(get_property=lambda _, name: properties[name]))
    assert settled_precision(config(runtime="openvino")).precision == precision
    assert settled_precision(config(runtime="openvino", precision="f32")).precision == "f32"
    assert settled_precision(config()) == config()


def test_a_bundle_of_torch_is_opened_in_f32_and_one_of_bf16_by_openvino_alone() -> None:
    assert config().on("openvino").precision == "f32"
    assert config(runtime="openvino", precision="f32").on("torch").runtime == "torch"
    bf16 = config(runtime="openvino", precision="bf16")
    assert bf16.on("openvino") == bf16
    with pytest.raises(InvalidConfigError, match="precision bf16 needs runtime openvino"):
        bf16.on("torch")
    with pytest.raises(InvalidConfigError, match="uses the CPU"):
        config(device="cuda").on("openvino")


def test_triton_does_not_run_networks_in_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "require_openvino", lambda _: None)
    monkeypatch.setattr(package, "has_fast_bf16", lambda: True)
    client: Any = object()
    with pytest.raises(InvalidConfigError, match="the networks on Triton have f32"):
        factory.load_encoders(config(runtime="openvino", speech=None, screen=None), client)
