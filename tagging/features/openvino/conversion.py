"""Conversion of a graph to OpenVINO's representation, and the files in which it is kept.

The frontend of PyTorch is called directly: `openvino.convert_model` and the command `ovc` report usage to Intel, and
ONNX in between would need another package. A conversion takes seconds, a compilation a few hundred milliseconds, so the
former is kept. Every version of an encoder, of torch and of OpenVINO has files of its own, of up to hundreds of
megabytes; a new one is the occasion to remove those that no process has used for long.
"""

import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tagging.errors import OutputUnwritableError
from tagging.features.networks.graph import Graph, converting
from tagging.features.openvino.package import core, library
from tagging.files.atomic import atomic_file
from tagging.files.tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    import openvino

logger = logging.getLogger(__name__)

UNUSED_S = 90 * 24 * 3600  # after which a file is removed


def convert(graph: Graph) -> "openvino.Model":
    """Return the graph's module as a model of OpenVINO, for any number of rows."""
    openvino = library()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    inputs = tuple(torch.from_numpy(graph.inputs[tensor.name]) for tensor in graph.spec.inputs)
    frontend = FrontEndManager().load_by_framework("pytorch")
    with converting(), torch.no_grad():
        decoder = TorchScriptPythonDecoder(graph.module.eval(), example_input=inputs)  # read until `convert` ends
        model = frontend.convert(frontend.load(decoder))
    for parameter, tensor in zip(model.inputs, graph.spec.inputs, strict=True):
        parameter.get_node().set_partial_shape(openvino.PartialShape([-1, *tensor.shape]))
    model.validate_nodes_and_infer_types()
    return model


def read_converted(path: Path) -> "openvino.Model | None":
    """Return the model of a file; None, with a warning unless the file is just missing, if it cannot be read."""
    openvino = library()
    try:
        tensors, about = read_tensors(path)
        if about != _about(tensors):
            raise ValueError("its digest is another")
        weights = openvino.Tensor(tensors["weights"].numpy())
        with suppress(OSError):  # of a folder that others own
            os.utime(path)  # the time of its last use
        return core().read_model(tensors["graph"].numpy().tobytes(), weights)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        logger.warning("%s cannot be read, and the network is converted again: %s", path, error)
        return None


def keep_converted(model: "openvino.Model", path: Path) -> None:
    """Write a model to one file, whole or not at all; where that is impossible, log a warning."""
    openvino = library()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="videotag-openvino-") as folder:
            graph, weights = Path(folder) / "model.xml", Path(folder) / "model.bin"
            openvino.serialize(model, graph, weights)
            tensors = {name: _bytes_of(file) for name, file in (("graph", graph), ("weights", weights))}
        with atomic_file(path) as partial:
            write_tensors(partial, tensors, _about(tensors))
        _remove_unused(path.parent)
    except (OSError, OutputUnwritableError) as error:
        logger.warning("%s cannot be written, and the network is converted at every start: %s", path, error)


def _remove_unused(folder: Path) -> None:
    """Remove the files that were not used for UNUSED_S; a process that reads one at this moment has it open."""
    for file in folder.glob("*.safetensors"):
        with suppress(OSError):  # another process has removed it, or it belongs to another user
            if time.time() - file.stat().st_mtime > UNUSED_S:
                file.unlink()


def _about(tensors: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Return the metadata of a file: a flipped bit of a weight would change vectors without any error."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(tensors[name].numpy().tobytes())
    return {"sha256": digest.hexdigest()}


def _bytes_of(file: Path) -> torch.Tensor:
    return torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.uint8)
