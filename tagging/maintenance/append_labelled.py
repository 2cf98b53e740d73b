"""Appending labelled videos to a file log: encodes the videos of manifests with a bundle's encoders; logs removals."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tagging.bundle.manifest import BUNDLE
from tagging.errors import InvalidManifestError
from tagging.features.extract import extract
from tagging.features.factory import load_encoders
from tagging.manifests.read import read_labelled
from tagging.pipeline.load import check_encoders
from tagging.progress import Progress
from tagging.store.features import FeatureStore
from tagging.store.labelled_log import AddedVideo, LabelledFileLog, RemovedVideo, to_bytes
from tagging.tags.catalog import TagCatalog
from tagging.text.normalise import normalise
from tagging.types import MODALITIES, LabelledVideo, Modality, VideoEmbeddings

logger = logging.getLogger(__name__)

FAILURES_LOGGED = 5


@dataclass(frozen=True, slots=True)
class AppendReport:
    """Numbers of videos, except for the log and the tags."""

    log: str
    appended: int
    unchanged: int  # the log already has the same video
    without_tags: int
    without_features: int  # no modality could be encoded
    unknown_tags: int  # distinct tags that the bundle's catalog lacks; the log keeps them for a bundle that has them


def append_labelled(
    bundle: Path,
    manifests: Sequence[Path],
    columns: Mapping[str, str],
    log: Path,
    store: FeatureStore,
    progress: Progress,
) -> AppendReport:
    """Encode the labelled videos of the manifests with the encoders of a bundle and append them to a log.

    A run that was killed resumes where it stopped: features are stored, and a video whose last update in the log is
    the same is skipped.
    Raises InvalidManifestError if no video has a tag, and the errors of `LabelledFileLog.open`.
    """
    manifest = BUNDLE.read(bundle)
    known = TagCatalog.load(bundle / "catalog.parquet").rows_by_spelling
    encoders = load_encoders(manifest.config.encoders)
    check_encoders(manifest, encoders)
    with LabelledFileLog.open(log) as file_log:
        videos = list(read_labelled(manifests, columns))
        tagged = [replace(video, tags=_tags(video)) for video in videos if _tags(video)]
        if not tagged:
            raise InvalidManifestError("no video of the manifests has a tag")
        extraction = extract([video.video for video in tagged], encoders, manifest.config.media, store, progress)
        for failure in extraction.failures[:FAILURES_LOGGED]:
            logger.warning("%s: %s", failure.video.video_id, failure.error.message)
        fingerprints = encoders.fingerprints()
        appended = unchanged = without_features = 0
        with progress.track("append", len(tagged)) as advance:
            for video, embeddings in zip(tagged, extraction.embeddings, strict=True):
                update = _added(video, embeddings, fingerprints)
                previous = file_log.latest.get(video.video.video_id)
                if not embeddings.rows:
                    without_features += 1
                elif previous is not None and to_bytes(previous) == to_bytes(update):
                    unchanged += 1
                else:
                    file_log.append(update)
                    appended += 1
                advance(1)
    unknown = {normalise(tag) for video in tagged for tag in video.tags} - set(known)
    without_tags = len(videos) - len(tagged)
    return AppendReport(str(log), appended, unchanged, without_tags, without_features, len(unknown))


def append_removals(log: Path, video_ids: Sequence[str]) -> int:
    """Log the removal of videos, whether the bundle or the log contains them; return how many were not removed yet."""
    with LabelledFileLog.open(log) as file_log:
        present = [
            video_id
            for video_id in dict.fromkeys(video_ids)
            if not isinstance(file_log.latest.get(video_id), RemovedVideo)
        ]
        for video_id in present:
            file_log.append(RemovedVideo(video_id))
    return len(present)


def _added(video: LabelledVideo, embeddings: VideoEmbeddings, fingerprints: Mapping[Modality, str]) -> AddedVideo:
    rows = {modality: embeddings.rows[modality] for modality in MODALITIES if modality in embeddings.rows}
    encoders = {modality: fingerprints[modality] for modality in rows}
    return AddedVideo(replace(video.video, uri=None), video.tags, rows, encoders)


def _tags(video: LabelledVideo) -> tuple[str, ...]:
    return tuple(tag for tag in video.tags if tag.strip())
