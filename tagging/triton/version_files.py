"""Files of a version: a graph for ONNX Runtime or those of Whisper, and the Python backend's model that runs them."""

import shutil
from pathlib import Path

from tagging.features.networks.graph import Graph, largest_difference
from tagging.triton.graph_files import OPSET, OnnxGraph, onnx_opset, run_graph, write_graph
from tagging.triton.model_config import BACKEND_FILE, GRAPH_FILE
from tagging.triton.speech_files import SpeechFiles

Content = Graph | OnnxGraph | SpeechFiles


def write_content(content: Content, folder: Path) -> None:
    """Write the files that a server needs."""
    if isinstance(content, SpeechFiles):
        content.write(folder)
    else:
        write_graph(content, folder / GRAPH_FILE)
    backend = "speech_backend.py" if isinstance(content, SpeechFiles) else "cpu_backend.py"
    shutil.copyfile(Path(__file__).with_name(backend), folder / BACKEND_FILE)


def difference_of(content: Content, folder: Path) -> float:
    """Return the largest absolute difference of the files' outputs from those of the in-process model.

    Raises ArtifactMismatchError if it is above the tolerance, or an output has another shape.
    """
    if isinstance(content, SpeechFiles):
        return largest_difference(content.spec, content.outputs, content.run(folder), "the files")
    found = run_graph(folder / GRAPH_FILE, content.inputs)
    return largest_difference(content.spec, content.outputs, found, GRAPH_FILE)


def opset_of(content: Content) -> int | None:
    """Return the version of ONNX's operators in the graph; None: there is no graph."""
    if isinstance(content, SpeechFiles):
        return None
    return onnx_opset(content.model) if isinstance(content, OnnxGraph) else OPSET
