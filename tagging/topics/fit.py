"""Fitting of a topic model: manifests → features of a bundle's encoders → topics → folder."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from tagging.bundle.manifest import SourceEntry
from tagging.config.topics import TopicsConfig
from tagging.errors import InvalidManifestError
from tagging.files.atomic import atomic_folder, require_new
from tagging.manifests.read import read_categorised, read_predicted, tables_of
from tagging.pipeline.feature_reader import FeatureReader
from tagging.pipeline.load import check_fingerprints
from tagging.progress import Progress, Stopwatch
from tagging.store.features import FeatureStore
from tagging.topics.files import read_model, write_model
from tagging.topics.learn import EarlierModel, Learnt, learn_topics
from tagging.topics.manifest import TOPIC_MODEL, LineageEntry, TopicsManifest
from tagging.topics.pool import Pool
from tagging.types import CategorisedVideo

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
    predicted: Sequence[Path] = (),
) -> FitReport:
    """Fit topics to the videos of the manifests and write the model to `out`.

    columns:  field -> column of the manifests, where they differ
    bundle:   whose encoders represent the videos
    created:  the time that the model states, with a time zone
    previous: the model whose topics keep their ids
    predicted: tables or folders of tags that `videotag batch` wrote, for the videos that have none
    Rows of another split than "train" (or none) are counted and skipped. Raises InvalidManifestError for a pool that
    has no topics and for predicted tags of other videos, ArtifactError for a bundle or previous model that is damaged
    or has other encoders, and before any work OutputExistsError or OutputUnwritableError.
    """
    require_new(out)
    watch = Stopwatch()
    with watch("read manifests"):
        videos, skipped = _read(manifests, columns)
        tables = [table for path in predicted for table in tables_of(path)]
        tags = _read_predicted(tables, videos)
    refs = [video.video for video in videos]
    with watch("load encoders"):
        reader = FeatureReader.of_bundle(bundle, refs)
        version_before, earlier = (None, None) if previous is None else _earlier(previous, reader)
    with watch("extract features"):
        embeddings = reader.read(refs, store, progress)
    with watch("learn topics"):
        pool = Pool(videos, embeddings, tags)
        learnt = learn_topics(pool, config, progress, earlier)
    lineage = learnt.lineage
    with watch("write"), atomic_folder(out) as folder:
        draft = TopicsManifest(
            created=created,
            origin=reader.origin,
            config=config,
            modalities=learnt.model.space.mmoe.dims,
            tasks=learnt.model.space.mmoe.tasks,
            thresholds=dict(learnt.model.thresholds),
            lineage=LineageEntry(
                previous=version_before,
                drift=lineage.drift,
                born=lineage.born,
                died=lineage.died,
                next_id=lineage.next_id,
            ),
            sources=[
                *(SourceEntry.of(path, columns) for path in manifests),
                *(SourceEntry.of(path, {}) for path in tables),
            ],
            counts={**_counts(learnt, pool), **skipped},
            packages={name: version(name) for name in PACKAGES},
        )
        manifest = write_model(folder, learnt.model, [ref.video_id for ref in refs], learnt.assignments, draft)
    return FitReport(
        str(out), manifest.version, manifest.counts, lineage.drift, lineage.born, lineage.died, watch.seconds
    )


def _earlier(previous: Path, reader: FeatureReader) -> tuple[str, EarlierModel]:
    """Return the version of the previous model, and the model."""
    manifest = TOPIC_MODEL.read(previous)
    check_fingerprints(f"topic model {manifest.version}", manifest.origin.encoders, reader.encoders)
    return manifest.version, EarlierModel(read_model(previous, manifest), manifest.lineage.next_id)


def _read(manifests: Sequence[Path], columns: Mapping[str, str]) -> tuple[list[CategorisedVideo], dict[str, int]]:
    rows = list(read_categorised(manifests, columns))
    videos = [row for row in rows if row.split in ("", "train")]
    if not rows:
        raise InvalidManifestError("the manifests have no rows", "give a table of videos with tags")
    if not videos:
        raise InvalidManifestError(f"none of the {len(rows)} rows is of the split train", "give videos without a split")
    return videos, {"videos_of_other_splits": len(rows) - len(videos)}


def _read_predicted(tables: Sequence[Path], videos: Sequence[CategorisedVideo]) -> dict[str, dict[str, float]]:
    """Return names and confidences of predicted tags by video id; there may be more videos than in the pool."""
    tags = {row.video.video_id: dict(zip(row.tags, row.confidences, strict=True)) for row in read_predicted(tables, {})}
    if tags and not any(video.video.video_id in tags for video in videos):
        raise InvalidManifestError(
            f"none of the {len(tags)} videos with predicted tags is in the manifests",
            "give as --predicted what `videotag batch` wrote for these manifests",
        )
    return tags


def _counts(learnt: Learnt, pool: Pool) -> dict[str, int]:
    videos = pool.videos
    untagged = sum(not any(tag.strip() for tag in video.tags) for video in videos)
    without = sum(not tags for tags in pool.tags)
    lists = learnt.assignments.topics
    topics_of = Counter((lists.starts[1:] - lists.starts[:-1]).tolist())
    return {
        "videos": len(videos),
        "topics": len(learnt.model.topics),
        "groups": len(learnt.model.groups),
        "tags": len(learnt.model.space.catalog),
        "tags_that_say_nothing": len(learnt.left_out),
        "assignments": len(lists.values),
        "videos_without_topic": topics_of[0],
        "videos_without_content": sum(not row.rows for row in pool.embeddings),
        "videos_without_category": sum(not video.category for video in videos),
        "videos_with_predicted_tags": untagged - without,
        "videos_without_tags": without,
    }
