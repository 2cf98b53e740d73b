"""Networks that OpenVINO runs on the CPU, each call on one core beside those of other threads.

Its defaults would divide each call among all cores and compute in bf16 where the processor has it. A stream is one
core's copy of a network's maps; there are as many as pieces run at once (features/side_by_side.py), with one copy of
the weights.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tagging.features.networks.base import Arrays
from tagging.features.networks.contract import ModelSpec
from tagging.features.openvino.package import core
from tagging.features.side_by_side import at_once

if TYPE_CHECKING:
    import openvino

Precision = Literal["f32", "bf16"]


class CompiledNetwork:
    """A model compiled for the CPU. Thread-safe."""

    def __init__(self, model: "openvino.Model", precision: Precision, threads: int = 1) -> None:
        """threads: of one call"""
        self._streams = at_once()
        settings = {
            "NUM_STREAMS": self._streams,
            "INFERENCE_NUM_THREADS": threads * self._streams,
            "ENABLE_CPU_PINNING": False,  # other processes pin theirs to the same cores, or use them
            "INFERENCE_PRECISION_HINT": precision,
        }
        self._compiled = core().compile_model(model, "CPU", settings)

    def run(self, calls: Sequence[Sequence[NDArray[Any]]]) -> list[list[NDArray[np.float32]]]:
        """Return the outputs of each call, given its inputs; calls run side by side."""
        found: list[list[NDArray[np.float32]]] = []
        for start in range(0, len(calls), self._streams):
            part = calls[start : start + self._streams]
            requests = [self._compiled.create_infer_request() for _ in part]
            inputs = [dict(enumerate(map(np.ascontiguousarray, call))) for call in part]  # kept until the calls end
            for request, given in zip(requests, inputs, strict=True):
                request.start_async(given, share_inputs=True)
            for request in requests:
                request.wait()
                found.append([np.array(tensor.data, np.float32) for tensor in request.output_tensors])
        return found


class OpenVinoNetwork:
    """A Network: the compiled model of a graph."""

    def __init__(self, compiled: CompiledNetwork, spec: ModelSpec, batch_size: int) -> None:
        self._compiled = compiled
        self.spec = spec
        self.batch_size = batch_size

    def rows(self, inputs: Arrays) -> NDArray[np.float32]:
        """(B, ...) of every input -> (B, D), the first output."""
        [found] = self.many([inputs])
        return found[self.spec.outputs[0].name]

    def many(self, batches: Sequence[Arrays]) -> list[Mapping[str, NDArray[np.float32]]]:
        """Return the outputs of each batch; one with more rows than `batch_size` is split."""
        parts = [(index, part) for index, batch in enumerate(batches) for part in self._split(batch)]
        found: list[list[list[NDArray[np.float32]]]] = [[] for _ in batches]
        for (index, _), outputs in zip(parts, self._compiled.run([part for _, part in parts]), strict=True):
            found[index].append(outputs)
        names = [output.name for output in self.spec.outputs]
        return [dict(zip(names, map(np.concatenate, zip(*each, strict=True)), strict=True)) for each in found]

    def _split(self, batch: Arrays) -> list[list[NDArray[Any]]]:
        values = [batch[tensor.name] for tensor in self.spec.inputs]
        starts = range(0, len(values[0]), self.batch_size)
        return [[rows[start : start + self.batch_size] for rows in values] for start in starts]
