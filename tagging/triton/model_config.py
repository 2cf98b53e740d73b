"""Configurations of models for Triton: config.pbtxt for GPUs, configs/cpu.pbtxt for machines without.

Both are built as ModelConfig messages, so that a misspelt field is an error here and not when a server starts. A server
without GPUs is started with `--model-config-name=cpu`; names, tensors and versions are the same.

Requests that wait are batched. No queue policy is set: any limit on the queue stalls requests, and limits and
deadlines are the caller's. Shapes of a warm-up are those that callers send.
"""

from collections.abc import Mapping
from typing import Any

from tagging.features.networks import contract
from tagging.features.networks.contract import ModelSpec, Tensor

ModelConfig = Any  # a message of tritonclient, which states no types

GPU_FILE, CPU_FILE = "config.pbtxt", "configs/cpu.pbtxt"  # in the folder of a model
GRAPH_FILE, BACKEND_FILE = "model.onnx", "model.py"  # in the folder of a version
# What a model needs, stated in its parameters. The Python backend returns empty outputs with NumPy 2.
CPU_ENVIRONMENT = "Python backend; numpy<2, onnxruntime>=1.20"
GPU_ENVIRONMENT = "ONNX Runtime backend"
SPEECH_CPU_ENVIRONMENT = "Python backend; numpy<2, ctranslate2>=4.6"
SPEECH_GPU_ENVIRONMENT = "Python backend; ctranslate2>=4.6 and the CUDA libraries that it needs"
GPU_QUEUE_DELAY_US = 500  # to fill a batch; without it, whatever waits is batched

# Rows of the batches that callers send: one video or request, and a full batch of the service.
PREFERRED_ROWS: Mapping[str, tuple[int, ...]] = {
    contract.TEXT: (8, 32, 64),
    contract.FRAMES: (16, 32, 64),
    contract.AUDIO: (16, 64, 256),
    contract.RECALL_VIDEO: (8, 32, 256),
    contract.RANK_VIDEO: (8, 32, 64),
    contract.RANK_TAGS: (8, 32, 256),
    contract.SCREEN_DETECT: (4, 8),
    contract.SCREEN_READ: (6, 12, 24),  # RapidOCR sends at most six lines
    contract.SPEECH: (4, 8),
}
# ONNX Runtime tries all algorithms of a convolution, seconds, for each new shape of its input. The shapes of these
# models follow those of pictures and lines, so a heuristic chooses the algorithm.
HEURISTIC_CONVOLUTION = {"cudnn_conv_algo_search": "HEURISTIC"}
OF_MANY_SHAPES = (contract.SCREEN_DETECT, contract.SCREEN_READ)


def gpu_config(spec: ModelSpec, fingerprints: Mapping[int, str]) -> ModelConfig:
    """Return the configuration for GPUs: Triton's ONNX Runtime backend runs a graph, CTranslate2 speech.

    fingerprints: of each version
    """
    from tritonclient.grpc import model_config_pb2 as pb

    if spec.name == contract.SPEECH:
        config = _in_python(spec, fingerprints, SPEECH_GPU_ENVIRONMENT)
        _add_parameters(config, {contract.COMPUTE_TYPE: "float16"})
    else:
        config = _config(spec, fingerprints, GPU_ENVIRONMENT)
        config.platform = "onnxruntime_onnx"
        config.default_model_filename = GRAPH_FILE
    if spec.name in OF_MANY_SHAPES:
        cuda = config.optimization.execution_accelerators.gpu_execution_accelerator.add(name="cuda")
        cuda.parameters.update(HEURISTIC_CONVOLUTION)
    config.instance_group.add(count=1, kind=pb.ModelInstanceGroup.KIND_GPU)
    config.dynamic_batching.preferred_batch_size.extend(PREFERRED_ROWS[spec.name])
    config.dynamic_batching.max_queue_delay_microseconds = GPU_QUEUE_DELAY_US
    for rows in (1, *PREFERRED_ROWS[spec.name]):
        _add_warm_up(config, spec, rows)
    return config


def cpu_config(spec: ModelSpec, fingerprints: Mapping[int, str]) -> ModelConfig:
    """Return the configuration for the Python backend, which runs the same files on one thread.

    Requests for speech are not batched: on one thread, several together take as long as one after the other, seconds
    each, and the first would wait for the last.
    """
    from tritonclient.grpc import model_config_pb2 as pb

    if spec.name == contract.SPEECH:
        config = _in_python(spec, fingerprints, SPEECH_CPU_ENVIRONMENT)
        _add_parameters(config, {contract.COMPUTE_TYPE: "int8"})
    else:
        config = _in_python(spec, fingerprints, CPU_ENVIRONMENT)
        config.dynamic_batching.preferred_batch_size.extend(PREFERRED_ROWS[spec.name])
    config.instance_group.add(count=1, kind=pb.ModelInstanceGroup.KIND_CPU)
    _add_warm_up(config, spec, 1)
    return config


def printed(config: ModelConfig) -> str:
    """Return a configuration in protobuf's text format."""
    from google.protobuf import text_format

    return text_format.MessageToString(config)


def _config(spec: ModelSpec, fingerprints: Mapping[int, str], environment: str) -> ModelConfig:
    from tritonclient.grpc import model_config_pb2 as pb

    config = pb.ModelConfig(name=spec.name, max_batch_size=spec.max_rows)
    for tensors, field in ((spec.inputs, config.input), (spec.outputs, config.output)):
        for tensor in tensors:
            field.add(name=tensor.name, data_type=f"TYPE_{tensor.dtype}", dims=tensor.shape)
    config.version_policy.specific.versions.extend(sorted(fingerprints))
    _add_parameters(config, {**contract.fingerprint_parameters(fingerprints), "environment": environment})
    return config


def _in_python(spec: ModelSpec, fingerprints: Mapping[int, str], environment: str) -> ModelConfig:
    config = _config(spec, fingerprints, environment)
    config.backend = "python"
    config.default_model_filename = BACKEND_FILE
    return config


def _add_parameters(config: ModelConfig, parameters: Mapping[str, str]) -> None:
    for name, value in parameters.items():
        config.parameters[name].string_value = value


def _add_warm_up(config: ModelConfig, spec: ModelSpec, rows: int) -> None:
    """Add a request of zeros that is computed when a model is loaded."""
    warm_up = config.model_warmup.add(name=f"{rows} rows", batch_size=rows)
    for tensor in spec.inputs:
        warm_up.inputs[tensor.name].data_type = _data_type(config, tensor)
        warm_up.inputs[tensor.name].dims.extend(spec.frequent_shape(tensor))
        warm_up.inputs[tensor.name].zero_data = True


def _data_type(config: ModelConfig, tensor: Tensor) -> int:
    return int(next(each.data_type for each in config.input if each.name == tensor.name))
