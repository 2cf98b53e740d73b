"""Export of feedback as a manifest for training.

For each tag of a video the latest feedback counts. The manifest has each video with the texts that its caller sent and
the tags that were accepted or added; `rejected` is a column of its own, which training does not read. A video whose
media were sent inline, and so not kept, has only its text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from tagging.files.atomic import atomic_text_file, require_new
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.feedback import Feedback, FeedbackLog
from tagging.store.database.migrate import require_current
from tagging.store.database.taggings import Taggings
from tagging.types import VideoRef


@dataclass(frozen=True, slots=True)
class FeedbackReport:
    """Counts of an export."""

    manifest: str
    feedback: int
    videos: int  # written
    tags: int  # accepted or added
    rejected: int
    without_tags: int  # videos without an accepted or added tag; not written


async def export_feedback(config: DatabaseConfig, out: Path) -> FeedbackReport:
    """Write a manifest, JSONL, sorted by video_id.

    Raises OutputExistsError before any work if `out` exists, and the errors of the database.
    """
    require_new(out)
    database = Database(config)
    try:
        await require_current(database)
        judged: dict[str, dict[str, bool]] = {}
        count = 0
        async for entry in FeedbackLog(database).all_after():
            judged.setdefault(entry.record.video_id, {}).update(_judgements(entry.record))
            count += 1
        right = {video_id: [name for name, is_right in tags.items() if is_right] for video_id, tags in judged.items()}
        wrong = {
            video_id: [name for name, is_right in tags.items() if not is_right] for video_id, tags in judged.items()
        }
        kept = sorted(video_id for video_id, names in right.items() if names)
        taggings = Taggings(database)
        with atomic_text_file(out) as file:
            for video_id in kept:
                tagging = await taggings.latest(video_id)
                video = tagging.video if tagging is not None else VideoRef(video_id)
                _write(file, video, right[video_id], wrong[video_id])
    finally:
        await database.close()
    return FeedbackReport(
        str(out),
        count,
        len(kept),
        sum(len(right[video_id]) for video_id in kept),
        sum(len(wrong[video_id]) for video_id in kept),
        len(judged) - len(kept),
    )


def _judgements(record: Feedback) -> Mapping[str, bool]:
    """Return whether each tag is right, by its name."""
    right = {tag.name: True for tag in (*record.accepted, *record.added)}
    return {tag.name: False for tag in record.rejected} | right


def _write(file: TextIO, video: VideoRef, tags: list[str], rejected: list[str]) -> None:
    fields = {
        "video_id": video.video_id,
        "uri": video.uri,
        "title": video.title,
        "description": video.description,
        "uploader_id": video.uploader_id,
    }
    present = {name: value for name, value in fields.items() if value}
    file.write(json.dumps({**present, "tags": tags, "rejected": rejected}) + "\n")
