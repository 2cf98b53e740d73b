"""ONNX files: exporting a graph with torch, and checking the file against the in-process model with ONNX Runtime."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import CO_VARARGS
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tagging.errors import ArtifactMismatchError, MissingPackageError
from tagging.features.triton.contract import ANY, ModelSpec, Tensor

OPSET = 18  # the oldest that torch's exporter writes without converting, so that older runtimes read the files
TOLERANCE = 1e-4  # largest difference from the in-process model

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """One model to export, and what the in-process model computes for a few inputs."""

    spec: ModelSpec
    module: nn.Module
    fingerprint: str
    inputs: Arrays
    outputs: Arrays


def check_packages() -> None:
    """Raise MissingPackageError unless the packages that write and read ONNX are installed."""
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
        import tritonclient.grpc  # noqa: F401
    except (ImportError, RuntimeError) as error:  # tritonclient without gRPC raises a RuntimeError
        raise MissingPackageError(
            f"an export cannot start: {error}", "pip install 'videotag[triton-export]'"
        ) from error


def write_graph(graph: Graph, path: Path) -> None:
    """Export the module of a graph to a file that holds its weights."""
    inputs = tuple(torch.from_numpy(graph.inputs[tensor.name]) for tensor in graph.spec.inputs)
    dims = [
        dict.fromkeys(
            (0, *(axis for axis, size in enumerate(tensor.shape, 1) if size == ANY)), torch.export.Dim.DYNAMIC
        )
        for tensor in graph.spec.inputs
    ]
    is_variadic = bool(graph.module.forward.__code__.co_flags & CO_VARARGS)
    with _exporting(), torch.no_grad():
        program = torch.onnx.export(
            graph.module.eval(),
            inputs,
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=[tensor.name for tensor in graph.spec.inputs],
            output_names=[tensor.name for tensor in graph.spec.outputs],
            dynamic_shapes=(tuple(dims),) if is_variadic else tuple(dims),
        )
    assert program is not None
    program.save(path, external_data=False)


def difference_of(graph: Graph, path: Path) -> float:
    """Return the largest absolute difference of the file's outputs from those of the in-process model.

    Raises ArtifactMismatchError if it is above TOLERANCE, or an output has another shape.
    """
    found = run_graph(path, graph.inputs)
    return largest_difference(graph.spec, graph.outputs, found, str(path.name))


def run_graph(path: Path, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
    """Return the outputs of a file for some inputs, by ONNX Runtime on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def largest_difference(spec: ModelSpec, want: Arrays, got: Arrays, where: str) -> float:
    """Return the largest absolute difference of outputs. Raises ArtifactMismatchError above TOLERANCE.

    where: what computed `got`, for the error
    """
    return max(
        _difference(spec.name, tensor, want[tensor.name], got.get(tensor.name), where) for tensor in spec.outputs
    )


def _difference(model: str, tensor: Tensor, want: NDArray[Any], got: NDArray[Any] | None, where: str) -> float:
    if got is None or got.shape != want.shape:
        shape = None if got is None else got.shape
        raise ArtifactMismatchError(f"{model} by {where}: {tensor.name} has shape {shape}, expected {want.shape}")
    difference = float(np.abs(got - want).max())
    if not difference <= TOLERANCE:
        raise ArtifactMismatchError(
            f"{model} by {where}: {tensor.name} differs by {difference:.2g} from the in-process model, "
            f"more than {TOLERANCE}",
            "export the bundle again; if it fails again, the versions of torch and ONNX Runtime do not work together",
        )
    return difference


@contextmanager
def _exporting() -> Iterator[None]:
    """Silence the exporter's progress and warnings, and spare it fused layers, which it cannot export."""
    fused = torch.backends.mha.get_fastpath_enabled()
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    torch.backends.mha.set_fastpath_enabled(False)
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        torch.backends.mha.set_fastpath_enabled(fused)
