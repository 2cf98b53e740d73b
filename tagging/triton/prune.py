"""Removal of old bundles from a Triton model repository, with the versions of models that only they need.

The manifest is replaced first, then the configurations, and files go last: a server that reads the repository
meanwhile, or after a kill, finds every version complete that a configuration names, and the next call completes the
rest. The newest version of a model stays even if no bundle needs it, because a number must never mean something else:
a service asks for versions by number.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tagging.errors import OutputUnwritableError
from tagging.triton.export import CONFIG_FILES
from tagging.triton.graph_files import check_packages
from tagging.triton.model_config import CPU_FILE, cpu_config, gpu_config, printed
from tagging.triton.repository import MANIFEST, ModelEntry, RepositoryManifest, locked, read_manifest


@dataclass(frozen=True, slots=True)
class PrunedModel:
    model: str
    removed: tuple[int, ...]  # versions
    kept: tuple[int, ...]


def prune(repository: Path, keep: int) -> list[PrunedModel]:
    """Remove all bundles but the `keep` that were exported last; return the versions of each model.

    Raises ArtifactError for a repository that cannot be read, OutputUnwritableError, MissingPackageError.
    """
    check_packages()
    read_manifest(repository)
    try:
        with locked(repository):
            before = read_manifest(repository)
            after = _without_old_bundles(before, keep)
            if after != before:
                _replace(repository / MANIFEST, after.model_dump_json(indent=1) + "\n")
            return [_prune_model(repository / name, entry) for name, entry in after.models.items()]
    except OSError as error:
        raise OutputUnwritableError(
            f"{repository} cannot be changed: {error.strerror}", "the same command continues where it stopped"
        ) from error


def _without_old_bundles(manifest: RepositoryManifest, keep: int) -> RepositoryManifest:
    bundles = dict(list(manifest.bundles.items())[-keep:])
    models = {}
    for name, entry in manifest.models.items():
        needed = {bundle.models[name] for bundle in bundles.values() if name in bundle.models}
        needed.add(max(entry.versions))
        versions = {number: version for number, version in entry.versions.items() if number in needed}
        models[name] = entry.model_copy(update={"versions": versions})
    return manifest.model_copy(update={"models": models, "bundles": bundles})


def _prune_model(folder: Path, entry: ModelEntry) -> PrunedModel:
    """Bring the configurations and the folders of a model in line with its entry."""
    for file in CONFIG_FILES:
        config = (cpu_config if file == CPU_FILE else gpu_config)(entry.spec, entry.fingerprints())
        if _versions(folder / file) != list(config.version_policy.specific.versions):  # keeps changes by hand
            _replace(folder / file, printed(config))
    found = sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())
    removed = [version for version in found if version not in entry.versions]
    for version in removed:
        shutil.rmtree(folder / str(version))
    return PrunedModel(folder.name, tuple(removed), tuple(sorted(entry.versions)))


def _versions(file: Path) -> list[int] | None:
    """Return the versions that a configuration names; None if it cannot be read."""
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    config: Any = model_config_pb2.ModelConfig()
    try:
        text_format.Parse(file.read_text(encoding="utf-8"), config)
    except (FileNotFoundError, UnicodeDecodeError, text_format.ParseError):
        return None
    return list(config.version_policy.specific.versions)


def _replace(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")  # one name, so that the next call replaces what a kill left
    path.parent.mkdir(exist_ok=True)
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
