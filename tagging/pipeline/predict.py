"""Predicted tags of many videos, for models that take tags as input."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from tagging.media.read_ahead import Failure
from tagging.pipeline.load import load_tagger
from tagging.progress import Progress
from tagging.types import VideoRef

logger = logging.getLogger(__name__)


def predicted_tags(videos: Sequence[VideoRef], bundle: Path, progress: Progress) -> list[Mapping[str, float]]:
    """Return the names and confidences of each video's tags by a bundle; a video that cannot be tagged has none.

    Raises ArtifactError for a bundle that is missing, damaged or of other encoders.
    """
    tags: list[Mapping[str, float]] = []
    with ExitStack() as stack:
        tagger = stack.enter_context(load_tagger(bundle, reads_media=any(video.uri is not None for video in videos)))
        advance = stack.enter_context(progress.track("tag videos", len(videos)))
        for answer in tagger.tag_many(iter(videos), tagger.selection(None)):
            if isinstance(answer, Failure):
                logger.warning("%s: not tagged: %s", answer.video.video_id, answer.error.message)
                tags.append({})
            else:
                tags.append({tag.name: tag.confidence for tag in answer.tags})
            advance(1)
    return tags
