"""Lines of a feedback file: one confirmed video each, as `videotag train` and `videotag feedback import` read it.

    {"video_id": …, "uri": …, "title": …, "tags": [accepted and added], "rejected": […], "feedback": {…}}

The fields before `feedback` are those of `videotag feedback export`; `feedback` has the ids and versions that
`videotag feedback import` stores.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tagging.errors import ArtifactCorruptError, ArtifactNotFoundError
from tagging.inspection.review.decisions import VERDICTS, Decision, Draft, JudgedTag, ReviewedVideo
from tagging.tags.catalog import tag_id
from tagging.text.normalise import normalise
from tagging.types import VideoRef

MAX_LINE = 16 * 2**20  # bytes; a video's description is the longest part


def to_json(reviewed: ReviewedVideo) -> dict[str, Any]:
    """Return the line of a video."""
    video, draft = reviewed.video, reviewed.draft
    names = {verdict: [made.tag.name for made in draft.of_verdict(verdict)] for verdict in VERDICTS}
    texts = {"uri": video.uri, "title": video.title, "description": video.description, "uploader_id": video.uploader_id}
    return {
        "video_id": video.video_id,
        **{name: value for name, value in texts.items() if value},
        "tags": [*names["accepted"], *names["added"]],
        "rejected": names["rejected"],
        "feedback": {
            "feedback_id": reviewed.feedback_id,
            "bundle_version": reviewed.bundle_version,
            "at": reviewed.at,
            **{verdict: [_tag_json(made.tag) for made in draft.of_verdict(verdict)] for verdict in VERDICTS},
        },
    }


def from_json(line: Mapping[str, Any]) -> ReviewedVideo:
    """Return the video of a line; raises ValueError, KeyError or TypeError for other lines."""
    feedback = line["feedback"]
    decisions = tuple(
        Decision(key_of(tag), tag, verdict)
        for verdict in VERDICTS
        for tag in (JudgedTag(stored["tag_id"], stored["name"]) for stored in feedback[verdict])
    )
    texts = (line["video_id"], feedback["bundle_version"], feedback["feedback_id"], feedback["at"])
    texts += tuple(decision.tag.name for decision in decisions)
    if not all(isinstance(text, str) and text for text in texts):
        raise ValueError("a text is missing")
    video = VideoRef(
        line["video_id"], line.get("uri"), line.get("title", ""), line.get("description", ""), line.get("uploader_id")
    )
    draft = Draft(video.video_id, decisions)
    return ReviewedVideo(video, feedback["bundle_version"], feedback["feedback_id"], feedback["at"], draft)


def read_feedback(path: Path) -> Iterator[ReviewedVideo]:
    """Yield the videos of a feedback file; a torn last line is left out, another process may append meanwhile.

    Raises ArtifactCorruptError for a line of another format, ArtifactNotFoundError for a file that cannot be read.
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    return
                reviewed = parsed(line)
                if reviewed is None:
                    raise ArtifactCorruptError(f"{path}: line {number} is no feedback of videotag review")
                yield reviewed
    except OSError as error:
        raise ArtifactNotFoundError(f"{path} cannot be read: {error.strerror}", "name a feedback file") from error


def key_of(tag: JudgedTag) -> str:
    """Return the key of a tag among those of a video: its id, or the id that a tag of its name would get."""
    return tag_id(normalise(tag.name)) if tag.tag_id is None else tag.tag_id


def parsed(line: bytes) -> ReviewedVideo | None:
    """Return the video of a line; None for other lines."""
    if len(line) > MAX_LINE:
        return None
    try:
        return from_json(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _tag_json(tag: JudgedTag) -> dict[str, str | None]:
    return {"tag_id": tag.tag_id, "name": tag.name}
