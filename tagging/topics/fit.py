"""Fitting of a topic model: manifests → features of a bundle's encoders → topics → folder."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from tagging.bundle.files import read_manifest
from tagging.bundle.manifest import BundleManifest, EncoderEntry, SourceEntry
from tagging.config.encoders import EncodersConfig
from tagging.config.topics import TopicsConfig
from tagging.errors import InvalidManifestError
from tagging.features.extract import extract
from tagging.features.factory import Encoders, load_encoders
from tagging.files.atomic import atomic_folder, require_new
from tagging.manifests.read import read_categorised
from tagging.pipeline.load import check_encoders, check_fingerprints
from tagging.progress import Progress, Stopwatch
from tagging.store.features import FeatureStore
from tagging.topics.files import read_model, read_topics_manifest, write_model
from tagging.topics.learn import EarlierModel, Learnt, learn_topics
from tagging.topics.manifest import FORMAT, LineageEntry, TopicsManifest
from tagging.topics.pool import Pool
from tagging.types import CategorisedVideo, VideoEmbeddings

logger = logging.getLogger(__name__)

PACKAGES = ("videotag", "numpy", "scipy", "torch", "faiss-cpu")


@dataclass(frozen=True, slots=True)
class FitReport:
    topics: str  # the folder
    version: str
    counts: Mapping[str, int]
    drift: Mapping[int, float]  # of the topics that continue those of the previous model
    born: tuple[int, ...]
    died: tuple[int, ...]
    seconds: Mapping[str, float]  # of each stage


def fit_topics(
    manifests: Sequence[Path],
    columns: Mapping[str, str],
    bundle: Path,
    out: Path,
    config: TopicsConfig,
    store: FeatureStore,
    progress: Progress,
    *,
    created: datetime,
    previous: Path | None = None,
) -> FitReport:
    """Fit topics to the videos of the manifests and write the model to `out`.

    columns:  field -> column of the manifests, where they differ
    bundle:   whose encoders represent the videos
    created:  the time that the model states, with a time zone
    previous: the model whose topics keep their ids
    Rows of another split than "train" (or none) are counted and skipped. Raises InvalidManifestError for a pool that
    has no topics, ArtifactError for a bundle or previous model that is damaged or has other encoders, and before any
    work OutputExistsError or OutputUnwritableError.
    """
    require_new(out)
    watch = Stopwatch()
    with watch("read manifests"):
        videos, skipped = _read(manifests, columns)
    with watch("load encoders"):
        sources = _load(bundle, previous, needs_media=any(video.video.uri is not None for video in videos))
    with watch("extract features"):
        refs = [video.video for video in videos]
        extraction = extract(refs, sources.encoders, sources.bundle.config.media, store, progress)
        for failure in extraction.failures:
            logger.warning("%s: media skipped: %s", failure.video.video_id, failure.error.message)
    with watch("learn topics"):
        learnt = learn_topics(Pool(videos, extraction.embeddings), config, progress, sources.earlier)
    with watch("write"), atomic_folder(out) as folder:
        draft = _draft(learnt, sources, config, created).model_copy(
            update={
                "sources": [SourceEntry.of(path, columns) for path in manifests],
                "counts": {**_counts(learnt, videos, extraction.embeddings), **skipped},
            }
        )
        manifest = write_model(folder, learnt.model, [ref.video_id for ref in refs], learnt.assignments, draft)
    lineage = learnt.lineage
    return FitReport(
        str(out), manifest.version, manifest.counts, lineage.drift, lineage.born, lineage.died, watch.seconds
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Sources:
    """The artifacts that a fit starts from."""

    bundle: BundleManifest
    configured: EncodersConfig
    encoders: Encoders
    previous: str | None  # version of the earlier model
    earlier: EarlierModel | None


def _load(bundle: Path, previous: Path | None, *, needs_media: bool) -> _Sources:
    """Load the encoders of a bundle, without readers of passages, and the previous model.

    needs_media: False loads the text encoder alone
    """
    manifest = read_manifest(bundle)
    unread = {"speech": None, "screen": None}
    configured = manifest.config.encoders.model_copy(update=unread)
    if not needs_media:
        configured = configured.of_text()
    before = None if previous is None else read_topics_manifest(previous)
    encoders = load_encoders(configured)
    check_encoders(manifest, encoders)
    if previous is None or before is None:
        return _Sources(manifest, configured, encoders, None, None)
    check_fingerprints(f"topic model {before.version}", before.encoders, encoders)
    earlier = EarlierModel(read_model(previous, before), before.lineage.next_id)
    return _Sources(manifest, configured, encoders, before.version, earlier)


def _read(manifests: Sequence[Path], columns: Mapping[str, str]) -> tuple[list[CategorisedVideo], dict[str, int]]:
    rows = list(read_categorised(manifests, columns))
    videos = [row for row in rows if row.split in ("", "train")]
    if not rows:
        raise InvalidManifestError("the manifests have no rows", "give a table of videos with tags")
    if not videos:
        raise InvalidManifestError(f"none of the {len(rows)} rows is of the split train", "give videos without a split")
    return videos, {"videos_of_other_splits": len(rows) - len(videos)}


def _draft(learnt: Learnt, sources: _Sources, config: TopicsConfig, created: datetime) -> TopicsManifest:
    """Return the manifest without tables and counts, and without what `write_model` adds."""
    space, lineage = learnt.model.space, learnt.lineage
    return TopicsManifest(
        format=FORMAT,
        version="",
        created=created,
        normalisation=sources.bundle.normalisation,
        config=config,
        bundle=sources.bundle.version,
        media=sources.bundle.config.media,
        encoders_config=sources.configured,
        encoders={
            name: EncoderEntry(fingerprint=encoder.fingerprint, dim=encoder.dim)
            for name, encoder in sources.encoders.present().items()
        },
        modalities=space.mmoe.dims,
        tasks=space.mmoe.tasks,
        thresholds=dict(learnt.model.thresholds),
        counts={},
        lineage=LineageEntry(
            previous=sources.previous,
            drift=lineage.drift,
            born=lineage.born,
            died=lineage.died,
            next_id=lineage.next_id,
        ),
        sources=[],
        packages={name: version(name) for name in PACKAGES},
        files={},
    )


def _counts(
    learnt: Learnt, videos: Sequence[CategorisedVideo], embeddings: Sequence[VideoEmbeddings]
) -> dict[str, int]:
    lists = learnt.assignments.topics
    topics_of = Counter((lists.starts[1:] - lists.starts[:-1]).tolist())
    return {
        "videos": len(videos),
        "topics": len(learnt.model.topics),
        "groups": len(learnt.model.groups),
        "tags": len(learnt.model.space.catalog),
        "assignments": len(lists.tag_rows),
        "videos_without_topic": topics_of[0],
        "videos_without_content": sum(not row.rows for row in embeddings),
        "videos_without_category": sum(not video.category for video in videos),
        "videos_without_tags": sum(not any(tag.strip() for tag in video.tags) for video in videos),
    }
