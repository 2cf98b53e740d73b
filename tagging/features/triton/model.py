"""One model on Triton: finds the version of an encoder by its fingerprint, and runs rows of any number through it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagging.errors import ArtifactMismatchError, DeadlineExceededError, VideotagError
from tagging.features.networks import contract
from tagging.features.networks.base import Arrays
from tagging.features.networks.contract import ANY, ModelSpec, Tensor, versions_by_fingerprint
from tagging.features.triton.client import Outputs, Request, TritonClient
from tagging.features.triton.connection import MESSAGE_BYTES

# A video with an hour of sound has 2 MB of tokens, and all rows of a batch are padded to it.
REQUEST_BYTES = MESSAGE_BYTES // 2

# A probe waits behind the requests of videos. If its deadline passes, the model fails if it has answered nothing for so
# long; one whose process died says so at once.
QUIET_S, SLOW_QUIET_S = 10.0, 60.0  # the latter of the models in contract.SLOW

_NUMPY: Mapping[str, type[np.generic]] = {
    "UINT8": np.uint8,
    "INT32": np.int32,
    "BOOL": np.bool_,
    "FP32": np.float32,
}


@dataclass(frozen=True, slots=True, eq=False)
class TritonModel:
    """A version of a model on a server."""

    client: TritonClient
    spec: ModelSpec
    version: str
    parameters: Mapping[str, str]  # of the model's configuration

    @classmethod
    def find(cls, client: TritonClient, spec: ModelSpec, fingerprint: str) -> "TritonModel":
        """Return the version with this fingerprint.

        Raises ArtifactMismatchError if the server does not hold it, BackendUnavailableError if the server is away.
        """
        config = client.model_config(spec.name)
        parameters = {name: str(value["string_value"]) for name, value in config.get("parameters", {}).items()}
        version = versions_by_fingerprint(parameters).get(fingerprint)
        if version is None:
            raise ArtifactMismatchError(
                f"{client.url}: no version of {spec.name} has the fingerprint {fingerprint} of this bundle's",
                "export the bundle with `videotag triton export`, and load its models",
            )
        model = cls(client, spec, str(version), parameters)
        model.rows(model.example())  # a version may be stated and not loaded
        return model

    @property
    def batch_size(self) -> int:
        """Rows of one request."""
        return self.spec.max_rows

    @property
    def compute_type(self) -> str:
        """The numbers in which the model computes, where that is configured."""
        return self.parameters[contract.COMPUTE_TYPE]

    def example(self) -> Arrays:
        """The inputs of one row, for a probe."""
        return {tensor.name: _example(self.spec, tensor) for tensor in self.spec.inputs}

    def rows(self, inputs: Arrays) -> NDArray[np.float32]:
        """(B, ...) of every input -> (B, D), the first output. Raises what `TritonClient.infer` raises."""
        return self.outputs(inputs)[self.spec.outputs[0].name]

    def outputs(self, inputs: Arrays) -> dict[str, NDArray[np.float32]]:
        """(B, ...) of every input -> (B, ...) of every output. Raises as `rows` does."""
        [found] = self.many([inputs])
        return found

    def many(self, batches: Sequence[Arrays]) -> list[dict[str, NDArray[np.float32]]]:
        """Return the outputs of each batch; all requests are under way together. Raises as `rows` does.

        A batch with more rows than the model or a message takes is split.
        """
        parts = [(index, part) for index, batch in enumerate(batches) for part in self._split(batch)]
        names = tuple(output.name for output in self.spec.outputs)
        requests = [Request(self.spec.name, self.version, part, names) for _, part in parts]
        found: list[list[dict[str, NDArray[np.float32]]]] = [[] for _ in batches]
        for (index, part), outputs in zip(parts, self.client.infer(requests), strict=True):
            found[index].append(self._checked(outputs, len(next(iter(part.values())))))
        return [{name: np.concatenate([rows[name] for rows in each]) for name in names} for each in found]

    def _checked(self, outputs: Outputs, count: int) -> dict[str, NDArray[np.float32]]:
        """Return the outputs of `count` rows. Raises ArtifactMismatchError for another shape."""
        checked: dict[str, NDArray[np.float32]] = {}
        for output in self.spec.outputs:
            rows, want = outputs[output.name], (count, *output.shape)
            if rows is None or not _has_shape(rows, want):
                shape = None if rows is None else rows.shape
                raise ArtifactMismatchError(
                    f"{self.client.url}: {self.spec.name} returned {shape}, expected {want}",
                    "Triton's environment needs NumPy 1 for models in Python; see the log of Triton",
                )
            checked[output.name] = rows
        return checked

    def works(self) -> bool:
        """Return whether the model answers a real inference of one row; a dead one is reloaded.

        The inference may wait behind others, so a model works although a deadline passed, as long as it answers others.
        """
        availability = self.client.availability
        quiet_s = SLOW_QUIET_S if self.spec.name in contract.SLOW else QUIET_S
        try:
            self.rows(self.example())
        except VideotagError as error:
            if isinstance(error, DeadlineExceededError) and availability.has_worked(self.spec.name, quiet_s):
                return True
            availability.failed(self.spec.name, error.message)
            return False
        return True

    def _split(self, batch: Arrays) -> list[Arrays]:
        count = len(next(iter(batch.values())))
        row_bytes = sum(values.nbytes for values in batch.values()) // max(1, count)
        limit = min(self.batch_size, max(1, REQUEST_BYTES // max(1, row_bytes)))
        return [
            {name: values[start : start + limit] for name, values in batch.items()} for start in range(0, count, limit)
        ]


def _example(spec: ModelSpec, tensor: Tensor) -> NDArray[Any]:
    """One row of zeros without a mask."""
    fill = np.ones if tensor.dtype == "BOOL" else np.zeros
    return fill((1, *spec.small_shape(tensor)), _NUMPY[tensor.dtype])


def _has_shape(rows: NDArray[Any], want: tuple[int, ...]) -> bool:
    return rows.ndim == len(want) and all(size in (ANY, found) for size, found in zip(want, rows.shape, strict=True))
