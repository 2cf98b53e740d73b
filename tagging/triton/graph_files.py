"""ONNX files: exporting a graph with torch, and checking the file against the in-process model with ONNX Runtime."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import CO_VARARGS
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tagging.errors import MissingPackageError
from tagging.features.networks.base import Arrays
from tagging.features.networks.contract import ANY
from tagging.features.networks.graph import Graph, converting, largest_difference

OPSET = 18  # the oldest that torch's exporter writes without converting, so that older runtimes read the files


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
