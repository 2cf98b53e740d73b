"""Configurations of models for Triton, read back as Triton reads them."""

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from tagging.features.networks import contract
from tagging.features.networks.contract import ModelSpec
from tagging.triton.model_config import cpu_config, gpu_config, printed

SPECS = [
    contract.text_model(384),
    contract.frames_model(260, 240, 1280),
    contract.audio_model(128),
    contract.recall_video_model(64, {"text": 384, "frames": 1280}),
    contract.rank_video_model(384, {"frames": 1280, "speech": 384}, 256),
    contract.rank_tags_model(384, 128, 256),
    contract.screen_detect_model(),
    contract.screen_read_model(),
    contract.speech_model(80, 512, 99),
]


def parsed(text: str) -> model_config_pb2.ModelConfig:
    return text_format.Parse(text, model_config_pb2.ModelConfig())


@pytest.mark.parametrize("make", [gpu_config, cpu_config])
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_printed_configuration_has_the_tensors_of_the_contract(spec: ModelSpec, make: object) -> None:
    assert callable(make)
    config = parsed(printed(make(spec, {3: "cc", 1: "aa"})))
    assert config.name == spec.name
    assert config.max_batch_size == spec.max_rows
    for tensors, fields in ((spec.inputs, config.input), (spec.outputs, config.output)):
        names = [model_config_pb2.DataType.Name(field.data_type) for field in fields]
        assert [(tensor.name, f"TYPE_{tensor.dtype}", list(tensor.shape)) for tensor in tensors] == [
            (field.name, name, list(field.dims)) for field, name in zip(fields, names, strict=True)
        ]
    assert list(config.version_policy.specific.versions) == [1, 3]
    parameters = {name: value.string_value for name, value in config.parameters.items()}
    assert contract.versions_by_fingerprint(parameters) == {"aa": 1, "cc": 3}
    assert parameters["environment"]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_requests_are_batched_without_a_queue_policy(spec: ModelSpec) -> None:
    for make in (gpu_config, cpu_config):
        config = parsed(printed(make(spec, {1: "aa"})))
        if spec.name == "speech" and make is cpu_config:  # several take as long as one after the other
            assert not config.HasField("dynamic_batching")
            continue
        batching = config.dynamic_batching
        assert 0 < max(batching.preferred_batch_size) <= spec.max_rows
        assert not batching.HasField("default_queue_policy")
        assert not batching.priority_queue_policy


def test_gpus_run_the_graph_itself_and_cpus_a_model_in_python() -> None:
    gpu, cpu = (parsed(printed(make(SPECS[0], {1: "aa"}))) for make in (gpu_config, cpu_config))
    assert (gpu.platform, gpu.default_model_filename) == ("onnxruntime_onnx", "model.onnx")
    assert (cpu.backend, cpu.default_model_filename) == ("python", "model.py")
    kinds = [config.instance_group[0].kind for config in (gpu, cpu)]
    assert kinds == [model_config_pb2.ModelInstanceGroup.KIND_GPU, model_config_pb2.ModelInstanceGroup.KIND_CPU]


def test_speech_states_in_which_numbers_it_is_computed() -> None:
    configs = [
        parsed(printed(make(contract.speech_model(80, 512, 99), {1: "aa"}))) for make in (gpu_config, cpu_config)
    ]
    assert [config.parameters["compute_type"].string_value for config in configs] == ["float16", "int8"]
    assert [(config.backend, config.platform) for config in configs] == [("python", "")] * 2


def test_graphs_of_many_shapes_are_not_tuned_for_each_of_them() -> None:
    tuned = {
        spec.name: [each.parameters for each in config.optimization.execution_accelerators.gpu_execution_accelerator]
        for spec in SPECS
        if (config := parsed(printed(gpu_config(spec, {1: "aa"})))).platform
    }
    assert [name for name, parameters in tuned.items() if parameters] == ["screen_detect", "screen_read"]
    assert all(parameters in ([], [{"cudnn_conv_algo_search": "HEURISTIC"}]) for parameters in tuned.values())


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_warm_up_gives_every_input_a_whole_shape(spec: ModelSpec) -> None:
    for make in (gpu_config, cpu_config):
        config = parsed(printed(make(spec, {1: "aa"})))
        assert config.model_warmup
        for warm_up in config.model_warmup:
            assert set(warm_up.inputs) == {tensor.name for tensor in spec.inputs}
            assert 1 <= warm_up.batch_size <= spec.max_rows
            for each in warm_up.inputs.values():
                assert min(each.dims) > 0
