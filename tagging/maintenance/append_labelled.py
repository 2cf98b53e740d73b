"""What is appended to a log of labelled videos: those of manifests, as a bundle's encoders see them, and departures."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tagging.bundle.files import read_manifest
from tagging.errors import InvalidManifestError
from tagging.features.extract import extract
from tagging.features.factory import encoder_fingerprints, load_encoders
from tagging.manifest import read_labelled
from tagging.pipeline.load import check_encoders
from tagging.progress import Progress
from tagging.store.features import FeatureStore
from tagging.store.labelled_log import AddedVideo, LabelledFileLog, RemovedVideo, to_bytes
from tagging.tags.catalog import TagCatalog
from tagging.text import normalise
from tagging.types import LabelledVideo

logger = logging.getLogger(__name__)

NAMED = 5  # of the videos that failed


@dataclass(frozen=True, slots=True)
class AppendReport:
    log: str
    appended: int
    unchanged: int  # already there just so
    without_tags: int
    without_features: int  # nothing of them could be looked at
    unknown_tags: int  # distinct ones that the bundle's catalog lacks; the log keeps them, for a bundle that has them


def append_labelled(
    bundle: Path,
    manifests: Sequence[Path],
    columns: Mapping[str, str],
    log: Path,
    store: FeatureStore,
    progress: Progress,
) -> AppendReport:
    """Look at the labelled videos of the manifests with the encoders of a bundle, and append them to a log.

    Killed, it goes on where it was: features are stored, and a video whose last entry says the same is passed over.
    Raises InvalidManifestError where nothing is left to append, and what `LabelledFileLog.open` does.
    """
    stated = read_manifest(bundle)
    catalog = TagCatalog.load(bundle / "catalog.parquet")
    encoders = load_encoders(stated.config.encoders)
    check_encoders(stated, encoders)
    with LabelledFileLog.open(log) as entries:
        rows = list(read_labelled(manifests, columns))
        tagged = [replace(row, tags=_tags(row)) for row in rows if _tags(row)]
        if not tagged:
            raise InvalidManifestError("no video with a tag is there to append")
        extraction = extract([row.video for row in tagged], encoders, stated.config.media, store, progress)
        for failure in extraction.failures[:NAMED]:
            logger.warning("%s: %s", failure.video.video_id, failure.error.message)
        fingerprints = encoder_fingerprints(encoders)
        appended = unchanged = blank = 0
        with progress.track("append", len(tagged)) as advance:
            for row, seen in zip(tagged, extraction.embeddings, strict=True):
                made_by = {modality: fingerprints[modality] for modality in seen.modalities}
                entry = AddedVideo(
                    replace(row.video, uri=None), row.tags, {m: seen.rows[m] for m in seen.modalities}, made_by
                )
                before = entries.latest.get(row.video.video_id)
                if not seen.rows:
                    blank += 1
                elif before is not None and to_bytes(before) == to_bytes(entry):
                    unchanged += 1
                else:
                    entries.append(entry)
                    appended += 1
                advance(1)
    known = catalog.rows_by_spelling
    unknown = {normalise(tag) for row in tagged for tag in row.tags} - set(known)
    return AppendReport(str(log), appended, unchanged, len(rows) - len(tagged), blank, len(unknown))


def append_departures(log: Path, video_ids: Sequence[str]) -> int:
    """Let videos vote no more, whether the bundle or the log brought them; how many were not gone already."""
    with LabelledFileLog.open(log) as entries:
        staying = [one for one in dict.fromkeys(video_ids) if not isinstance(entries.latest.get(one), RemovedVideo)]
        for video_id in staying:
            entries.append(RemovedVideo(video_id))
    return len(staying)


def _tags(row: LabelledVideo) -> tuple[str, ...]:
    return tuple(tag for tag in row.tags if tag.strip())
