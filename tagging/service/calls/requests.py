"""Tag requests and responses as values, and the content hash that makes a request idempotent."""

import hashlib
import json
from dataclasses import dataclass

from tagging.store.database.taggings import Tagging, TaggingOptions
from tagging.types import AnyModality, RankedTags, VideoRef


@dataclass(frozen=True, slots=True)
class TagRequest:
    """A video to tag, as a client describes it."""

    video: VideoRef
    content: bytes | None  # the media file, where there is no uri
    options: TaggingOptions
    evidence: bool  # False: leave it out of the response


@dataclass(frozen=True, slots=True)
class TagResponse:
    """A tagging, and whether it was stored before the call."""

    tagging: Tagging
    from_store: bool

    @property
    def answer(self) -> RankedTags:
        return self.tagging.answer


@dataclass(frozen=True, slots=True)
class LabelledVideoReport:
    """A labelled video as it was stored."""

    tag_ids: tuple[str, ...]
    unknown_tags: tuple[str, ...]
    modalities: tuple[AnyModality, ...]
    warnings: tuple[str, ...]
    bundle_version: str
    content_hash: str


def content_hash(video: VideoRef, media_sha256: str | None) -> str:
    """The SHA-256, in hex, of everything that may shape a video's tags, which excludes its id and its location.

    media_sha256: of the file's bytes, in hex; None: there are no media
    """
    parts = [media_sha256, video.title, video.description, video.uploader_id]
    return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()
