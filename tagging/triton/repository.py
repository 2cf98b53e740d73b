"""Triton model repository: the folder that a server loads models from, and its manifest.

    manifest.json               bundles, and the models, versions and files that they need
    MODEL/config.pbtxt          for GPUs
    MODEL/configs/cpu.pbtxt     for the Python backend on CPUs
    MODEL/VERSION/model.onnx    the graph, with its weights; of speech, files of CTranslate2 instead
    MODEL/VERSION/model.py      the Python backend's model, which runs the graph
    MODEL/VERSION/samples.npz   inputs, and the outputs of the in-process model

A version is never changed. A bundle whose encoder is in the repository shares its version; another one gets the next
number, so that bundles are served side by side.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from tagging.bundle.sealed import file_sha256
from tagging.errors import ArtifactCorruptError, ArtifactNotFoundError, InvalidConfigError
from tagging.features.networks.base import Arrays
from tagging.features.networks.contract import ModelSpec

MANIFEST = "manifest.json"
SAMPLES = "samples.npz"
_INPUT, _OUTPUT = "input.", "output."  # and the name of a tensor: a key of the samples


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class VersionEntry(_Entry):
    fingerprint: str
    opset: int | None  # None: no graph of ONNX
    largest_difference: float  # of the outputs from the in-process model, on the samples
    files: dict[str, str]  # name -> sha256


class ModelEntry(_Entry):
    spec: ModelSpec  # the same for all versions
    versions: dict[int, VersionEntry]

    def fingerprints(self) -> dict[int, str]:
        """Return the fingerprint of each version."""
        return {version: entry.fingerprint for version, entry in self.versions.items()}


class BundleEntry(_Entry):
    encoders: dict[str, str]  # modality -> fingerprint
    models: dict[str, int]  # model -> version


class RepositoryManifest(_Entry):
    format: Literal[1] = 1
    packages: dict[str, str] = {}  # versions of those that wrote the latest export
    models: dict[str, ModelEntry] = {}
    bundles: dict[str, BundleEntry] = {}  # by version


def read_manifest(repository: Path) -> RepositoryManifest:
    """Return the manifest. Raises ArtifactNotFoundError without one, ArtifactCorruptError if it cannot be read."""
    path = repository / MANIFEST
    try:
        return RepositoryManifest.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtifactNotFoundError(
            f"{repository} is no repository of an export: it has no {MANIFEST}", "name another place"
        ) from error
    except (OSError, ValidationError, ValueError) as error:
        raise ArtifactCorruptError(f"{path} cannot be read: {error}", "export into another place") from error


def check_files(repository: Path, model: str, version: int, entry: VersionEntry) -> None:
    """Raise ArtifactCorruptError unless the files of a version are those that were exported."""
    for name, sha256 in entry.files.items():
        path = repository / model / str(version) / name
        try:
            found = file_sha256(path)
        except OSError as error:
            raise ArtifactCorruptError(f"{path} cannot be read: {error}", "export into another place") from error
        if found != sha256:
            raise ArtifactCorruptError(f"{path} was changed after the export", "export into another place")


def with_version(entry: ModelEntry | None, spec: ModelSpec, version: VersionEntry) -> tuple[int, ModelEntry]:
    """Return the number of a new version, the next one, and the entry of its model with it."""
    versions = {} if entry is None else entry.versions
    number = max(versions, default=0) + 1
    return number, ModelEntry(spec=spec, versions={**versions, number: version})


def version_of(entry: ModelEntry, spec: ModelSpec, fingerprint: str) -> int | None:
    """Return the version with a fingerprint; None if there is none.

    Raises InvalidConfigError if the model has other tensors, because its versions share one configuration.
    """
    if entry.spec != spec:
        raise InvalidConfigError(
            f"the model {spec.name} of this repository has other tensors than that of the bundle",
            "export the bundle into a repository of its own",
        )
    return next((number for number, each in entry.versions.items() if each.fingerprint == fingerprint), None)


def write_samples(path: Path, inputs: Arrays, outputs: Arrays) -> None:
    """Write the samples of a version."""
    arrays = {f"{_INPUT}{name}": rows for name, rows in inputs.items()}
    arrays |= {f"{_OUTPUT}{name}": rows for name, rows in outputs.items()}
    np.savez_compressed(path, allow_pickle=False, **dict(arrays))


def read_samples(path: Path) -> tuple[Arrays, Arrays]:
    """Return the inputs and outputs of a version's samples, by tensor name."""
    with np.load(path, allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    return _named(found, _INPUT), _named(found, _OUTPUT)


def _named(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): rows for name, rows in arrays.items() if name.startswith(prefix)}


def hashes(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file of a folder, by name."""
    return {path.name: file_sha256(path) for path in sorted(folder.iterdir())}


@contextmanager
def locked(repository: Path) -> Iterator[None]:
    """Let one command at a time change the repository."""
    handle = os.open(repository, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
