"""From the messages of a tagging to its values, and back."""

import hashlib
import json
from dataclasses import dataclass

from tagging.store.database.taggings import TaggingOptions
from tagging.types import VideoRef


@dataclass(frozen=True, slots=True)
class TagRequest:
    """A video to tag, as a client described it."""

    video: VideoRef
    content: bytes | None  # the media themselves, where there is no uri
    asked: TaggingOptions
    evidence: bool  # False: it is not to be sent


def content_hash(video: VideoRef, media_sha256: str | None) -> str:
    """SHA-256, hex, of all that may shape a video's tags; neither its id nor where it lies does.

    media_sha256: of the file's bytes, hex; None: there are no media
    """
    parts = [media_sha256, video.title, video.description, video.uploader_id]
    return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()
