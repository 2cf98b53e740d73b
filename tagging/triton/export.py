"""Export of a bundle's networks to a Triton model repository.

Everything is written into a hidden sibling of the repository, and each model is checked there against the in-process
one. Only then are versions moved into the repository, before the configurations that name them, and the manifest
last: a server that reads the repository meanwhile finds complete models.
"""

import errno
import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Literal

from rank.contrastive import ContrastiveRanker
from recall.model import RecallModel
from tagging.bundle.manifest import BUNDLE, RANK_WEIGHTS, RECALL_WEIGHTS, BundleManifest
from tagging.bundle.sealed import artifact_errors
from tagging.errors import InvalidConfigError, OutputExistsError, OutputUnwritableError
from tagging.features.factory import Encoders, load_encoders
from tagging.features.networks.graph import Graph
from tagging.files.atomic import partial_folder, require_folder
from tagging.pipeline.load import check_encoders
from tagging.progress import Progress
from tagging.triton.encoder_graphs import encoder_graphs, recall_video_graph
from tagging.triton.graph_files import check_packages
from tagging.triton.model_config import CPU_FILE, GPU_FILE, cpu_config, gpu_config, printed
from tagging.triton.rank_graphs import rank_graphs
from tagging.triton.repository import (
    MANIFEST,
    SAMPLES,
    BundleEntry,
    ModelEntry,
    RepositoryManifest,
    VersionEntry,
    check_files,
    hashes,
    locked,
    read_manifest,
    version_of,
    with_version,
    write_samples,
)
from tagging.triton.version_files import Content, difference_of, opset_of, write_content

logger = logging.getLogger(__name__)

CONFIG_FILES = (CPU_FILE, GPU_FILE)
PACKAGES = ("torch", "onnxscript", "onnxruntime", "tritonclient")


@dataclass(frozen=True, slots=True)
class ExportedModel:
    model: str
    version: int
    state: Literal["new", "shared"]  # shared: the repository had it already
    largest_difference: float  # from the in-process model, on the samples


def export_bundle(bundle: Path, repository: Path, progress: Progress) -> list[ExportedModel]:
    """Export the networks of a bundle into a new repository, or beside those of other bundles.

    Those of a reader whose packages are missing are left out with a warning; an earlier export of the bundle keeps
    its own.

    Raises ArtifactError for a bundle or repository that cannot be used, and for a graph that does not compute what the
    in-process model does; MissingPackageError, InvalidConfigError for a bundle without a network or one whose models
    have other tensors than those of the repository, OutputUnwritableError, and OutputExistsError if another export
    wrote the repository meanwhile.
    """
    check_packages()
    require_folder(repository)
    manifest = BUNDLE.read(bundle)
    encoders = _encoders(manifest)
    for source, install in encoders.missing.items():
        logger.warning("what reads %s is not exported: %s", source, install)
    contents: list[Content] = [*encoder_graphs(encoders), *_of_readers(encoders)]
    contents += _learnt_graphs(bundle, manifest, encoders)
    if not contents:
        raise InvalidConfigError(
            f"bundle {manifest.version} has no network that runs on Triton", "its encoders have no weights"
        )
    before = read_manifest(repository) if _has_files(repository) else RepositoryManifest()
    with partial_folder(repository) as partial:
        models, exported = dict(before.models), []
        with progress.track("export", len(contents)) as advance:
            for content in contents:
                models[content.spec.name], row = _add(content, models.get(content.spec.name), repository, partial)
                exported.append(row)
                advance(1)
        after = _with_bundle(before, manifest, encoders, models, exported)
        _write_configs(repository, partial, models, exported)
        (partial / MANIFEST).write_text(after.model_dump_json(indent=1) + "\n", encoding="utf-8")
        _publish(partial, repository, before)
    return exported


def _encoders(manifest: BundleManifest) -> Encoders:
    """Return the in-process encoders and readers of a bundle."""
    encoders = load_encoders(manifest.config.encoders.on("torch").model_copy(update={"device": "cpu"}))
    check_encoders(manifest, encoders)
    return encoders


def _of_readers(encoders: Encoders) -> Iterator[Content]:
    """Yield the contents of the models of the readers that the packages here can load."""
    if encoders.screen is not None:
        from tagging.features.screen_text import PpOcrReader
        from tagging.triton.screen_graphs import screen_graphs

        assert isinstance(encoders.screen, PpOcrReader), "the only reader of text on the screen"
        yield from screen_graphs(encoders.screen)
    if encoders.speech is not None:
        from tagging.features.speech import WhisperReader
        from tagging.triton.speech_files import speech_files

        assert isinstance(encoders.speech, WhisperReader), "the only reader of speech"
        yield speech_files(encoders.speech)


def _learnt_graphs(bundle: Path, manifest: BundleManifest, encoders: Encoders) -> Iterator[Graph]:
    """Yield the graphs of the networks that the bundle was trained with."""
    with artifact_errors(bundle):
        if manifest.learnt is not None:
            tower = RecallModel.load(bundle / "learnt").videos
            yield recall_video_graph(tower, manifest.weights_fingerprint(RECALL_WEIGHTS))
        config = manifest.config.rank.ranker
        if manifest.ranker is not None and config is not None:
            ranker = ContrastiveRanker.load(bundle / "rank", config, encoders.text)
            yield from rank_graphs(ranker.scorer.encoder.towers, manifest.weights_fingerprint(RANK_WEIGHTS))


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _add(
    content: Content, entry: ModelEntry | None, repository: Path, partial: Path
) -> tuple[ModelEntry, ExportedModel]:
    """Return the entry of a model that has the content, whose files are written if the repository lacks them."""
    name = content.spec.name
    existing = None if entry is None else version_of(entry, content.spec, content.fingerprint)
    if entry is not None and existing is not None:
        version = entry.versions[existing]
        check_files(repository, name, existing, version)
        return entry, ExportedModel(name, existing, "shared", version.largest_difference)
    folder = partial / name / "new"
    folder.mkdir(parents=True)
    write_content(content, folder)
    difference = difference_of(content, folder)
    write_samples(folder / SAMPLES, content.inputs, content.outputs)
    version = VersionEntry(
        fingerprint=content.fingerprint, opset=opset_of(content), largest_difference=difference, files=hashes(folder)
    )
    number, entry = with_version(entry, content.spec, version)
    folder.rename(folder.with_name(str(number)))
    return entry, ExportedModel(name, number, "new", difference)


def _with_bundle(
    before: RepositoryManifest,
    manifest: BundleManifest,
    encoders: Encoders,
    models: dict[str, ModelEntry],
    exported: Sequence[ExportedModel],
) -> RepositoryManifest:
    fingerprints = {str(modality): fingerprint for modality, fingerprint in encoders.fingerprints().items()}
    earlier = before.bundles.get(manifest.version)
    kept = {} if earlier is None else earlier.models  # with those of readers whose packages are missing here
    bundle = BundleEntry(encoders=fingerprints, models={**kept, **{model.model: model.version for model in exported}})
    others = {version: entry for version, entry in before.bundles.items() if version != manifest.version}
    return RepositoryManifest(
        packages={name: package_version(name) for name in PACKAGES},
        models=models,
        bundles={**others, manifest.version: bundle},  # in the order of their latest exports, for prune.py
    )


def _write_configs(
    repository: Path, partial: Path, models: dict[str, ModelEntry], exported: Sequence[ExportedModel]
) -> None:
    """Write the configurations of the models with a new version, and of those that have lost theirs."""
    for model in exported:
        if model.state == "shared" and all((repository / model.model / file).is_file() for file in CONFIG_FILES):
            continue
        entry, folder = models[model.model], partial / model.model
        (folder / CPU_FILE).parent.mkdir(parents=True)
        for file, config in ((GPU_FILE, gpu_config), (CPU_FILE, cpu_config)):
            (folder / file).write_text(printed(config(entry.spec, entry.fingerprints())), encoding="utf-8")


def _publish(partial: Path, repository: Path, before: RepositoryManifest) -> None:
    """Move what was written into the repository. Raises OutputExistsError if another export was there first."""
    overtaken = OutputExistsError(f"another export wrote {repository} meanwhile", "run the same command again")
    if not before.models:
        try:
            partial.rename(repository)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise overtaken from error
            message = f"{repository} cannot be written: {error.strerror}"  # an empty mount point, for example
            raise OutputUnwritableError(message, "name a folder in it") from error
        return
    with locked(repository):
        if read_manifest(repository) != before:
            raise overtaken
        for folder in sorted(path for path in partial.iterdir() if path.is_dir()):
            _publish_model(folder, repository / folder.name)
        (partial / MANIFEST).replace(repository / MANIFEST)


def _publish_model(folder: Path, target: Path) -> None:
    if not target.exists():
        folder.rename(target)
        return
    for version in (path for path in folder.iterdir() if path.name.isdigit()):
        shutil.rmtree(target / version.name, ignore_errors=True)  # of an export that was killed here
        version.rename(target / version.name)
    (target / CPU_FILE).parent.mkdir(exist_ok=True)
    for file in CONFIG_FILES:
        (folder / file).replace(target / file)
