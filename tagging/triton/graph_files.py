"""ONNX files: writing a graph, by torch's exporter if it is a module, and checking the file with ONNX Runtime."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import CO_VARARGS
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from tagging.errors import MissingPackageError
from tagging.features.networks.base import Arrays
from tagging.features.networks.contract import ANY, ModelSpec
from tagging.features.networks.graph import Graph, converting

if TYPE_CHECKING:
    import onnx

OPSET = 18  # the oldest that torch's exporter writes without converting, so that older runtimes read the files


@dataclass(frozen=True, slots=True, eq=False)
class OnnxGraph:
    """A graph that is an ONNX model already, and what the in-process model computes for a few inputs."""

    spec: ModelSpec
    model: "onnx.ModelProto"
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


def onnx_opset(model: "onnx.ModelProto") -> int:
    """Return the version of ONNX's operators that a model uses."""
    return next(int(each.version) for each in model.opset_import if not each.domain)


def write_graph(graph: Graph | OnnxGraph, path: Path) -> None:
    """Write a graph to a file that holds its weights."""
    if isinstance(graph, OnnxGraph):
        path.write_bytes(graph.model.SerializeToString())
    else:
        _export(graph, path)


def _export(graph: Graph, path: Path) -> None:
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


def run_graph(path: Path, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
    """Return the outputs of a file for some inputs, by ONNX Runtime on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


@contextmanager
def _exporting() -> Iterator[None]:
    """Silence the exporter's progress and warnings, too."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with converting():
            yield
    finally:
        logger.setLevel(level)
