"""Training of a bundle: manifests → features → training set → recall and rank → bundle."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from rank.recall_probability import RecallProbabilityRanker
from recall.channels.tag_similarity import TagSimilarity
from recall.query import RecallQuery
from tagging.bundle.indexes import TagIndex, ViewIndex, build_video_indexes
from tagging.bundle.manifest import (
    BUNDLE,
    BundleManifest,
    ChannelEntry,
    EncoderEntry,
    NamesEntry,
    SourceEntry,
    TrainingEntry,
)
from tagging.config.root import Config
from tagging.errors import InvalidManifestError, NothingToLearnError
from tagging.features.encode_texts import StoredTexts
from tagging.features.extract import extract
from tagging.features.factory import Encoders, load_encoders
from tagging.features.read import missing_warnings
from tagging.files.atomic import atomic_folder, require_new
from tagging.maintenance.alias_table import read_accepted_aliases, require_known
from tagging.manifests.read import read_labelled
from tagging.media.read_ahead import Failure
from tagging.progress import Progress, Stopwatch
from tagging.store.features import FeatureStore
from tagging.tags.catalog import TagCatalog, build_catalog
from tagging.training.name_sources import load_name_sources, needs_name_vectors, write_name_sources
from tagging.training.rank import TrainedRanker, predict_held_out, train_rank
from tagging.training.recall import TrainedRecall, train_recall
from tagging.training.settings import check_requirements, ranker_to_train, settle_config
from tagging.training.training_set import SelectedRows, TrainingSet, select_rows
from tagging.types import LabelledVideo

logger = logging.getLogger(__name__)

# Packages whose versions affect the trained models.
PACKAGES = (
    "videotag",
    "numpy",
    "torch",
    "sentence-transformers",
    "transformers",
    "faiss-cpu",
    "scikit-learn",
    "lightgbm",
    "av",
)
LOGGED_FAILURES = 10


@dataclass(frozen=True, slots=True)
class TrainingReport:
    bundle: str
    version: str
    counts: Mapping[str, int]
    seconds: Mapping[str, float]  # of each stage


@dataclass(frozen=True, slots=True)
class _Run:
    """Settings and inputs that all steps of one training share."""

    config: Config  # settled
    encoders: Encoders
    stored: Encoders  # the same, with texts through the feature store
    progress: Progress
    watch: Stopwatch


@dataclass(frozen=True, slots=True, eq=False)
class _Trained:
    """The manifest entries of the files that the steps of a training wrote."""

    names: NamesEntry | None
    recall: TrainedRecall | None
    ranker: TrainedRanker | None
    channels: dict[str, ChannelEntry]


def train(
    manifests: Sequence[Path],
    columns: Mapping[str, str],
    out: Path,
    config: Config,
    store: FeatureStore,
    progress: Progress,
    *,
    created: datetime,
    aliases: Path | None = None,
    checkpoint: Path | None = None,
) -> TrainingReport:
    """Train a bundle on the labelled videos of the manifests and write it to `out`.

    columns: field -> column of the manifests, where they differ.
    created: the time that the bundle states, with a time zone.
    aliases: a table of accepted aliases, which are merged into their tags.
    checkpoint: a file that the ranker's training is saved in and resumed from; it is not removed.
    Rows of another split than "train" (or none) and of held-out uploaders are counted and skipped. Raises
    InvalidManifestError if no labelled video remains, InvalidAliasesError, and before any work OutputExistsError
    if `out` exists and OutputUnwritableError if it or the checkpoint cannot be written.
    """
    require_new(out)
    merged_into = read_accepted_aliases(aliases) if aliases else {}
    hardware = check_requirements(config, checkpoint)
    watch = Stopwatch()
    with watch("load encoders"):
        encoders = load_encoders(config.encoders)
    for warning in missing_warnings(encoders).values():
        logger.warning("%s", warning)
    stored = replace(encoders, text=encoders.text and StoredTexts(encoders.text, store, progress))
    run = _Run(settle_config(config, hardware, encoders), encoders, stored, progress, watch)
    selected = _read_manifests(manifests, columns, run)
    # Before the training, which takes hours: a file may be replaced meanwhile.
    sources = [SourceEntry.of(path, columns) for path in manifests]
    if aliases:
        sources.append(SourceEntry.of(aliases, {}))
        require_known(aliases, merged_into, (row.tags for row in selected.kept))
    training_set, selected = _build_training_set(selected, merged_into, store, run)
    with atomic_folder(out) as folder:
        trained = _train_parts(folder, training_set, run, checkpoint)
        with watch("write bundle"):
            draft = _draft_manifest(training_set, trained, _training_entry(sources, selected), run, created)
            manifest = BUNDLE.seal(folder, draft)
    counts = manifest.training.model_dump(exclude={"sources", "packages"})
    return TrainingReport(str(out), manifest.version, {**manifest.counts, **counts}, watch.seconds)


def _read_manifests(manifests: Sequence[Path], columns: Mapping[str, str], run: _Run) -> SelectedRows:
    with run.watch("read manifests"):
        rows = list(_counted(read_labelled(manifests, columns), run.progress))
        selected = select_rows(rows, run.config.training)
    selected.require_any("video with a tag")
    return selected


def _build_training_set(
    selected: SelectedRows, merged_into: Mapping[str, str], store: FeatureStore, run: _Run
) -> tuple[TrainingSet, SelectedRows]:
    """Extract the features of the selected videos; build the catalog from the videos that have any."""
    with run.watch("extract features"):
        extraction = extract(
            [row.video for row in selected.kept], run.encoders, run.config.media, store, run.progress,
            with_tokens=ranker_to_train(run.config) is not None,
        )  # fmt: skip
        _log_failures(extraction.failures, len(selected.kept))
    usable = [row for row, embeddings in enumerate(extraction.embeddings) if embeddings.rows]
    selected = selected.only(usable, "videos_without_features")
    selected.require_any("video with features")
    with run.watch("build catalog"):
        min_count = run.config.training.min_tag_count
        catalog, tags = build_catalog([row.tags for row in selected.kept], min_count, merged_into)
        if not len(catalog):
            raise InvalidManifestError(f"no tag is on {min_count} videos or more", "lower training.min_tag_count")
    videos = [row.video for row in selected.kept]
    return TrainingSet.of(videos, catalog, tags, extraction.only(np.array(usable))), selected


def _train_parts(folder: Path, training_set: TrainingSet, run: _Run, checkpoint: Path | None) -> _Trained:
    """Train each part that the configuration has, and write its files into the folder."""
    training_set.catalog.save(folder / "catalog.parquet")
    training_set.labelled.save(folder / "videos.parquet")
    names = _write_names(folder, training_set.catalog, run)
    recall = _train_recall(folder, training_set, names, run)
    ranker = None if recall is None else _train_rank(folder, training_set, recall, run, checkpoint)
    channels = _write_indexes(folder, training_set, recall, run)
    return _Trained(names, recall, ranker, channels)


def _write_names(folder: Path, catalog: TagCatalog, run: _Run) -> NamesEntry | None:
    if not needs_name_vectors(run.config.recall):
        return None
    with run.watch("encode names"):
        return write_name_sources(folder, catalog, run.stored, run.config.recall.names)


def _train_recall(folder: Path, training_set: TrainingSet, names: NamesEntry | None, run: _Run) -> TrainedRecall | None:
    with run.watch("learn recall"), _skipped_if_nothing_to_learn("no recall model is trained"):
        if run.config.recall.learnt is not None:
            sources = load_name_sources(folder, names, run.config.recall, training_set.catalog)
            recall = train_recall(training_set, sources, run.config, run.progress)
            recall.save(folder / "learnt")
            if recall.model.extractor is not None:
                recall.model.extractor.save(folder / "extract")
            return recall
    return None


def _train_rank(
    folder: Path, training_set: TrainingSet, recall: TrainedRecall, run: _Run, checkpoint: Path | None
) -> TrainedRanker | None:
    """Train the ranker, if the configuration has one, and write the predictions for precision control."""
    trained = None
    with run.watch("learn rank"):
        with _skipped_if_nothing_to_learn("no ranker is trained"):
            if ranker_to_train(run.config) is not None:
                trained = train_rank(training_set, recall, run.stored.text, run.config, run.progress, checkpoint)
                trained.save(folder)
        ranker = RecallProbabilityRanker() if trained is None else trained.ranker
        predictions = predict_held_out(ranker, training_set, recall.control_candidates)
        if predictions is not None:
            predictions.save(folder / "answers.parquet")
    return trained


def _write_indexes(
    folder: Path, training_set: TrainingSet, recall: TrainedRecall | None, run: _Run
) -> dict[str, ChannelEntry]:
    with run.watch("build indexes"):
        queries = (
            [RecallQuery.of(video) for video in training_set.embeddings] if recall is None else recall.model.queries
        )
        views = build_video_indexes(queries, run.config.recall, run.config.training.seed)
        indexes: dict[str, ViewIndex | TagIndex] = {**views}
        if recall is not None and recall.model.parts.tags is not None:
            indexes[TagSimilarity.name] = recall.model.parts.tags
        for channel, index in indexes.items():
            index.save(folder / "channels" / channel)
    return {channel: index.entry() for channel, index in indexes.items()}


def _draft_manifest(
    training_set: TrainingSet, trained: _Trained, training: TrainingEntry, run: _Run, created: datetime
) -> BundleManifest:
    """Return the manifest without what sealing adds."""
    return BundleManifest(
        created=created,
        config=run.config,
        encoders=encoder_entries(run.encoders),
        readers=run.encoders.reader_fingerprints(),
        channels=trained.channels,
        names=trained.names,
        learnt=None if trained.recall is None else trained.recall.entry(),
        extractor=None if trained.recall is None else trained.recall.extractor_entry(),
        ranker=None if trained.ranker is None else trained.ranker.entry(),
        counts={
            "videos": len(training_set),
            "tags": len(training_set.catalog),
            "pairs": len(training_set.labelled.tags.values),
        },
        training=training,
    )


def _training_entry(sources: list[SourceEntry], selected: SelectedRows) -> TrainingEntry:
    return TrainingEntry(
        sources=sources,
        packages={name: version(name) for name in PACKAGES},
        videos_read=selected.read,
        videos_held_out=selected.skipped["videos_held_out"],
        videos_of_other_splits=selected.skipped["videos_of_other_splits"],
        videos_without_tags=selected.skipped["videos_without_tags"],
        videos_without_features=selected.skipped["videos_without_features"],
    )


def encoder_entries(encoders: Encoders) -> dict[str, EncoderEntry]:
    """Return the manifest entries of the encoders, by modality."""
    return {
        modality: EncoderEntry(fingerprint=encoder.fingerprint, dim=encoder.dim)
        for modality, encoder in encoders.present().items()
    }


@contextmanager
def _skipped_if_nothing_to_learn(consequence: str) -> Iterator[None]:
    """Log NothingToLearnError with its consequence and continue: the bundle is written without that part."""
    try:
        yield
    except NothingToLearnError as error:
        logger.info("%s: %s", consequence, error)


def _counted(rows: Iterator[LabelledVideo], progress: Progress) -> Iterator[LabelledVideo]:
    with progress.track("read manifests", None) as advance:
        for row in rows:
            yield row
            advance(1)


def _log_failures(failures: Sequence[Failure], videos: int) -> None:
    for failure in failures[:LOGGED_FAILURES]:
        logger.warning("%s: media skipped: %s", failure.video.video_id, failure.error.message)
    if len(failures) > LOGGED_FAILURES:
        logger.warning("media of %d of %d videos were skipped", len(failures), videos)
