"""Training a bundle: manifests → features → catalog and channel indexes → bundle."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from rank.checkpoint import require_checkpoint
from rank.recall_probability import RecallProbabilityRanker
from recall.channels.tag_similarity import TagSimilarity
from tagging.bundle.files import write_manifest
from tagging.bundle.indexes import build_video_indexes
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.bundle.manifest import FORMAT, BundleManifest, EncoderEntry, NamesEntry, SourceEntry, TrainingEntry
from tagging.bundle.name_vectors import load_name_vectors
from tagging.config.root import Config
from tagging.errors import InvalidManifestError, NothingToLearnError
from tagging.features.extract import Extraction, extract
from tagging.features.factory import Encoders, check_weights, load_encoders
from tagging.features.weights import bert_folder
from tagging.files.atomic import atomic_folder, require_new
from tagging.maintenance.alias_table import read_accepted_aliases, require_known
from tagging.manifest import read_labelled
from tagging.pipeline.recall_parts import named_channels
from tagging.progress import Progress, Stopwatch
from tagging.splits import is_held_out
from tagging.store.features import FeatureStore
from tagging.tags.catalog import TagCatalog, build_catalog
from tagging.training.name_sources import needs_name_vectors, without_foreign_sources, write_name_sources
from tagging.training.rank import for_this_machine, predict_held_out, train_rank
from tagging.training.recall import train_recall
from tagging.types import LabelledVideo, VideoRef

logger = logging.getLogger(__name__)

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
FAILURES_NAMED = 10


@dataclass(frozen=True, slots=True)
class TrainingReport:
    bundle: str
    version: str
    counts: Mapping[str, int]
    seconds: Mapping[str, float]  # where the time went, stage by stage


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
    """Learn a bundle from the labelled videos of the manifests and write it to `out`.

    created: the time that the bundle states, with a time zone.
    aliases: a table of accepted aliases, which are merged into their tags.
    checkpoint: a file that the ranker's training is kept in, and goes on from; it is left there.
    Rows of another split than "train" (or none) and the held-out uploaders are read and left alone. Raises
    InvalidManifestError where no labelled video remains, InvalidAliasesError, and before any work OutputExistsError
    where `out` exists and OutputUnwritableError where it or the checkpoint cannot be written.
    """
    require_new(out)
    same_as = read_accepted_aliases(aliases) if aliases else {}
    check_weights(config.encoders)  # before minutes of reading
    ranker = config.rank.ranker if config.recall.learnt is not None else None
    if ranker is not None:
        bert_folder(ranker.bert)
        config = for_this_machine(config, ranker)
        if checkpoint is not None:
            require_checkpoint(checkpoint)
    watch = Stopwatch()
    with watch("read manifests"):
        rows = list(_counted(read_labelled(manifests, columns), progress))
        kept, skipped = _choose(rows, config)
    if not kept:
        raise InvalidManifestError("no video with a tag is left to learn from", _left_out(skipped))
    if aliases:
        require_known(aliases, same_as, (row.tags for row in kept))
    with watch("load encoders"):
        encoders = load_encoders(config.encoders)
    with watch("extract features"):
        videos = [row.video for row in kept]
        extraction = extract(videos, encoders, config.media, store, progress, with_tokens=ranker is not None)
        _name_failures(extraction, len(kept))
    learnt = [place for place, embeddings in enumerate(extraction.embeddings) if embeddings.rows]
    skipped["videos_without_features"] = len(kept) - len(learnt)
    if not learnt:
        raise InvalidManifestError("no video that could be looked at is left to learn from", _left_out(skipped))
    videos = [videos[place] for place in learnt]
    with atomic_folder(out) as folder:
        with watch("build catalog"):
            catalog, tags = build_catalog(
                [kept[place].tags for place in learnt], config.training.min_tag_count, same_as
            )
            if not len(catalog):
                raise InvalidManifestError(
                    f"no tag is on {config.training.min_tag_count} videos or more", "lower training.min_tag_count"
                )
            catalog.save(folder / "catalog.parquet")
            labelled = LabelledVideos.of(videos, tags)
            labelled.save(folder / "videos.parquet")
        config = without_foreign_sources(config, encoders)
        names = None
        if needs_name_vectors(config.recall):
            with watch("encode names"):
                names = write_name_sources(folder, catalog, encoders, config.recall.names)
        seen = extraction.only(np.array(learnt))
        parts = _learn(folder, videos, seen, labelled, catalog, names, config, progress, watch, checkpoint)
        with watch("write bundle"):
            draft = BundleManifest(
                format=FORMAT,
                version="",
                created=created,
                files={},
                config=config,
                encoders=encoder_entries(encoders),
                names=names,
                **parts,
                counts={"videos": len(learnt), "tags": len(catalog), "pairs": len(tags.tag_rows)},
                training=TrainingEntry(
                    sources=[
                        *(SourceEntry.of(path, columns) for path in manifests),
                        *([SourceEntry.of(aliases, {})] if aliases else []),
                    ],
                    packages={name: version(name) for name in PACKAGES},
                    videos_read=len(rows),
                    **skipped,
                ),
            )
            manifest = write_manifest(folder, draft)
    told = manifest.training.model_dump(exclude={"sources", "packages"})
    return TrainingReport(str(out), manifest.version, {**manifest.counts, **told}, watch.seconds)


def _learn(
    folder: Path,
    videos: Sequence[VideoRef],
    extraction: Extraction,
    labelled: LabelledVideos,
    catalog: TagCatalog,
    names: NamesEntry | None,
    config: Config,
    progress: Progress,
    watch: Stopwatch,
    checkpoint: Path | None,
) -> dict[str, Any]:
    """Write what recall and rank learn from V videos, and the indexes; what the manifest says of them."""
    embeddings, tokens = extraction.embeddings, extraction.tokens
    learning = ranking = None
    with watch("learn recall"), _telling("nothing is learnt"):
        if config.recall.learnt is not None:
            named = named_channels(folder, names, config.recall, catalog)
            vectors = load_name_vectors(folder, names) if names else None
            learning = train_recall(embeddings, labelled, catalog, vectors, named, config, progress)
            learning.save(folder / "learnt")
    if learning is not None:
        with watch("learn rank"):
            with _telling("no ranker is trained"):
                if config.rank.ranker is not None:
                    ranking = train_rank(videos, tokens, labelled, catalog, learning, config, progress, checkpoint)
                    ranking.save(folder)
            ranker = RecallProbabilityRanker() if ranking is None else ranking.ranker
            answers = predict_held_out(ranker, videos, tokens, labelled, catalog, learning.promised)
            if answers is not None:
                answers.save(folder / "answers.parquet")
    with watch("build indexes"):
        indexes = build_video_indexes(
            embeddings if learning is None else learning.embeddings, config.recall, config.training.seed
        )
        if learning is not None and learning.parts.tags is not None:
            indexes[TagSimilarity.name] = learning.parts.tags
        for name, one in indexes.items():
            one.save(folder / "channels" / name)
    return {
        "channels": {name: one.entry() for name, one in indexes.items()},
        "learnt": learning.entry() if learning is not None else None,
        "ranker": ranking.entry() if ranking is not None else None,
    }


@contextmanager
def _telling(what: str) -> Iterator[None]:
    """Where there is nothing to learn, that is told, and the training goes on without."""
    try:
        yield
    except NothingToLearnError as error:
        logger.info("%s: %s", what, error)


def _counted(rows: Iterator[LabelledVideo], progress: Progress) -> Iterator[LabelledVideo]:
    with progress.track("read manifests", None) as advance:
        for row in rows:
            yield row
            advance(1)


def _choose(rows: Sequence[LabelledVideo], config: Config) -> tuple[list[LabelledVideo], Counter[str]]:
    """The rows to learn from, and how many were left out for which reason."""
    kept: list[LabelledVideo] = []
    skipped: Counter[str] = Counter(videos_held_out=0, videos_of_other_splits=0, videos_without_tags=0)
    for row in rows:
        if row.split not in ("", "train"):
            skipped["videos_of_other_splits"] += 1
        elif is_held_out(row.video, config.training.holdout, config.training.seed):
            skipped["videos_held_out"] += 1
        elif not any(tag.strip() for tag in row.tags):
            skipped["videos_without_tags"] += 1
        else:
            kept.append(row)
    return kept, skipped


def _left_out(skipped: Mapping[str, int]) -> str:
    return "; ".join(f"{name.replace('_', ' ')}: {count}" for name, count in skipped.items())


def _name_failures(extraction: Extraction, videos: int) -> None:
    for failure in extraction.failures[:FAILURES_NAMED]:
        logger.warning("%s: media left out: %s", failure.video.video_id, failure.error.message)
    if len(extraction.failures) > FAILURES_NAMED:
        logger.warning("media of %d of %d videos were left out", len(extraction.failures), videos)


def encoder_entries(encoders: Encoders) -> dict[str, EncoderEntry]:
    present = encoders.present().items()
    return {modality: EncoderEntry(fingerprint=one.fingerprint, dim=one.dim) for modality, one in present}
