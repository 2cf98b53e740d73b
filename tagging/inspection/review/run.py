"""A review from a manifest to a feedback file: the tagger, its preparation, the session and the server."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from tagging.config.encoders import RuntimeName
from tagging.config.random_streams import Stream
from tagging.config.root import SelectConfig
from tagging.errors import InvalidManifestError
from tagging.inspection.review.feedback_file import FeedbackFile
from tagging.inspection.review.preparation import MAX_TAGS, Preparation
from tagging.inspection.review.server import serving
from tagging.inspection.review.session import ReviewSession, Summary
from tagging.inspection.review.suggestions import Spellings
from tagging.manifests.read import read_videos
from tagging.media.read_ahead import Failure, ReadVideo, read_batches
from tagging.pipeline.load import load_tagger
from tagging.pipeline.tagger import Tagger
from tagging.types import RankedTags, VideoRef

logger = logging.getLogger(__name__)

VIDEOS_PER_BATCH = 32  # of texts alone; with media, read_batches takes fewer
SEED = 7  # of the order in which videos are tagged


@dataclass(frozen=True, slots=True)
class ReviewOptions:
    """Input of a review, and the file of its feedback."""

    manifest: Path
    columns: Mapping[str, str]  # field -> column of the manifest
    bundle: Path
    out: Path
    port: int = 0  # 0: any free one
    limit: int | None = None  # videos to confirm at most
    runtime: RuntimeName | None = None  # of the encoders; None: the bundle's


def review(
    options: ReviewOptions, clock: Callable[[], datetime], on_ready: Callable[[str], None], stop: threading.Event
) -> Summary:
    """Serve a review until `stop` is set, and return what it has written.

    on_ready: called with the address of the page, which holds a secret
    Raises InvalidManifestError for a manifest without a readable video, the errors of FeedbackFile.open and of
    load_tagger, BusyError if the port is in use, and the error that ended the tagger, if one did.
    """
    videos = read_review_videos(options.manifest, options.columns)
    with FeedbackFile.open(options.out) as file:
        reads_media = any(video.uri is not None for video in videos)
        with load_tagger(options.bundle, reads_media=reads_media, runtime=options.runtime) as tagger:
            catalog = tagger.models.recall_stage.catalog
            answered = tagger.selector.default
            rows = {tag: row for row, tag in enumerate(catalog.ids)}
            rng = np.random.default_rng([SEED, Stream.REVIEW_ORDER])
            bundle_tagger = BundleTagger(tagger)
            with Preparation(videos, file.reviewed, bundle_tagger, rows, answered.min_confidence, rng) as preparation:
                session = ReviewSession(
                    file,
                    preparation,
                    Spellings.of(catalog),
                    tagger.bundle_version,
                    answered,
                    options.limit,
                    clock,
                )
                with serving(options.port, session) as server:
                    on_ready(server.url)
                    stop.wait()
                if preparation.error is not None:
                    raise preparation.error
                return session.summary()


def read_review_videos(manifest: Path, columns: Mapping[str, str]) -> list[VideoRef]:
    """Return the videos of a manifest; unreadable rows are counted and logged with the first reason.

    Paths of media are absolute: the feedback, which contains them, may be in another folder.
    """
    videos: list[VideoRef] = []
    errors: list[InvalidManifestError] = []
    for row in read_videos(manifest.absolute(), columns):
        if isinstance(row, VideoRef):
            videos.append(row)
        else:
            errors.append(row)
    if not videos:
        raise errors[0] if errors else InvalidManifestError(f"{manifest} has no video", "name a table with one a row")
    if errors:
        logger.warning("%d rows are left out; the first: %s", len(errors), errors[0].message)
    return videos


class BundleTagger:
    """A bundle's tagger that answers the most likely tags, however small their confidence."""

    def __init__(self, tagger: Tagger) -> None:
        self._tagger = tagger
        self._selection: SelectConfig = tagger.selection(MAX_TAGS, min_confidence=0.0)

    def read(self, videos: Iterable[VideoRef]) -> Iterator[list[ReadVideo | Failure]]:
        return read_batches(videos, self._tagger.decoder, VIDEOS_PER_BATCH)

    def tag(self, videos: Sequence[ReadVideo]) -> list[RankedTags | Failure]:
        return self._tagger.tag_read(videos, [self._selection] * len(videos)) if videos else []
