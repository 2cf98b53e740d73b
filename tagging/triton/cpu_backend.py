"""Model of Triton's Python backend that runs an ONNX graph by ONNX Runtime; exports copy this file as model.py.

It runs in the environment of Triton, so it imports nothing of this project. Every model has a process of its own and
uses one thread of it: several models would otherwise wait for each other's threads.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as triton

GRAPH_FILE = "model.onnx"


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        """Load the graph of this version; args: those of Triton."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = Path(args["model_repository"], args["model_version"], GRAPH_FILE)
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = [tensor.name for tensor in self.session.get_inputs()]
        self.outputs = [tensor.name for tensor in self.session.get_outputs()]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the requests of a batch, whose tensors have equal shapes but for their rows, by one run."""
        wanted = [request for request in requests if not request.is_cancelled()]
        answers = dict(zip(map(id, wanted), self._answers(wanted), strict=True)) if wanted else {}
        return [answers.get(id(request)) or _cancelled() for request in requests]

    def _answers(self, requests: list[Any]) -> list[Any]:
        inputs = {
            name: [triton.get_input_tensor_by_name(request, name).as_numpy() for request in requests]
            for name in self.inputs
        }
        ends = np.cumsum([len(rows) for rows in inputs[self.inputs[0]]])[:-1]
        try:
            found = self.session.run(self.outputs, {name: np.concatenate(rows) for name, rows in inputs.items()})
        except Exception as error:  # ONNX Runtime's own classes, for an id beyond the vocabulary, say
            return [triton.InferenceResponse(error=triton.TritonError(str(error))) for _ in requests]
        parts = [np.split(rows, ends) for rows in found]
        return [
            triton.InferenceResponse(
                [triton.Tensor(name, rows) for name, rows in zip(self.outputs, outputs, strict=True)]
            )
            for outputs in zip(*parts, strict=True)
        ]


def _cancelled() -> Any:
    error = triton.TritonError("the caller has cancelled the request", triton.TritonError.CANCELLED)
    return triton.InferenceResponse(error=error)
