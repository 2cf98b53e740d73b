"""Check of a running Triton: a real inference of every model and version, compared with the samples of the export."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tagging.errors import ArtifactMismatchError, BackendUnavailableError
from tagging.features.networks import contract
from tagging.features.networks.base import Arrays
from tagging.features.networks.graph import largest_difference
from tagging.features.triton.client import HANDSHAKE_S
from tagging.features.triton.connection import Connection
from tagging.features.triton.endpoint import CERTIFICATE_HINT, Endpoint
from tagging.triton.repository import SAMPLES, ModelEntry, read_manifest, read_samples

REPEATS = 10
TIMEOUT_S = 60.0
LOAD_TIMEOUT_S = 600.0
# The samples of speech were computed in int8 on a CPU, and GPUs compute in float16. Single numbers of an encoding
# differ by far more than what is computed of it.
TOLERANCES: Mapping[str, Mapping[str, float]] = {
    contract.SPEECH: {"encoding": 20.0, "languages": 0.1, "score": 0.1, "no_speech": 0.1}
}


@dataclass(frozen=True, slots=True)
class Checked:
    model: str
    version: int
    rows: int  # of the sample
    largest_difference: float  # from the in-process model
    latency_ms: float  # median of a call with the sample


def check_server(repository: Path, endpoint: Endpoint) -> list[Checked]:
    """Run the samples of every model and version of a repository on the server that serves it.

    A version that the server has not loaded is loaded, as far as the server permits that. Raises
    ArtifactMismatchError for a version that is missing or computes something else, BackendUnavailableError for a
    server or model that fails, and what Connection raises.
    """
    manifest = read_manifest(repository)
    connection = Connection(endpoint)
    from tritonclient.utils import InferenceServerException  # Connection has reported it if it is missing

    server, address = connection.server, endpoint.address
    try:
        return [row for entry in manifest.models.values() for row in _check(server, address, repository, entry)]
    except InferenceServerException as error:
        raise _translated(endpoint, error) from error
    finally:
        connection.close()


def _check(server: Any, address: str, repository: Path, entry: ModelEntry) -> Iterator[Checked]:
    name = entry.spec.name
    _load(server, name, entry)
    for version in entry.versions:
        inputs, outputs = read_samples(repository / name / str(version) / SAMPLES)
        found = _infer(server, entry, version, inputs)
        where = f"Triton at {address}, version {version}"
        difference = largest_difference(entry.spec, outputs, found, where, TOLERANCES.get(name, {}))
        latencies = []
        for _ in range(REPEATS):
            began_s = time.perf_counter()
            _infer(server, entry, version, inputs)
            latencies.append(time.perf_counter() - began_s)
        rows = len(next(iter(inputs.values())))
        yield Checked(name, version, rows, difference, round(1000 * median(latencies), 2))


def _load(server: Any, name: str, entry: ModelEntry) -> None:
    """Load the model unless all its versions are ready; a server that does not permit it must have loaded it."""
    from tritonclient.utils import InferenceServerException

    if all(server.is_model_ready(name, str(version), client_timeout=TIMEOUT_S) for version in entry.versions):
        return
    try:
        server.load_model(name, client_timeout=LOAD_TIMEOUT_S)
    except InferenceServerException as error:
        if "polling" not in str(error.message()) and "explicit" not in str(error.message()):
            raise


def _infer(server: Any, entry: ModelEntry, version: int, inputs: Arrays) -> Mapping[str, Any]:
    from tritonclient import grpc

    tensors = []
    for tensor in entry.spec.inputs:
        tensors.append(grpc.InferInput(tensor.name, list(inputs[tensor.name].shape), tensor.dtype))
        tensors[-1].set_data_from_numpy(inputs[tensor.name])
    answer = server.infer(entry.spec.name, tensors, str(version), client_timeout=TIMEOUT_S)
    return {tensor.name: answer.as_numpy(tensor.name) for tensor in entry.spec.outputs}


def _translated(endpoint: Endpoint, error: Any) -> Exception:
    message = f"Triton at {endpoint.address}: {error.message()}"
    if (refusal := endpoint.handshake_failure(HANDSHAKE_S)) is not None:
        return BackendUnavailableError(
            f"Triton at {endpoint.address}: the TLS handshake fails: {refusal}", CERTIFICATE_HINT
        )
    if str(error.status()) in ("StatusCode.NOT_FOUND", "StatusCode.INVALID_ARGUMENT"):
        return ArtifactMismatchError(message, "start it on this repository; videotag triton export --help")
    return BackendUnavailableError(message, "start it, or name its gRPC port, usually 8001")
