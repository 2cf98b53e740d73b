"""Import of the feedback of `videotag review` into the database of a service.

The tags of a line are those that the editor saw, so the answers need not be stored. Lines are recognised by their
feedback id: a file may be imported again after it has grown.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tagging.inspection.review.decisions import ReviewedVideo, Verdict
from tagging.inspection.review.feedback_lines import read_feedback
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.feedback import Feedback, FeedbackLog, NamedTag
from tagging.store.database.migrate import require_current
from tagging.types import Origin

CLIENT = "videotag review"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Counts of an import."""

    feedback: int  # stored now
    stored_before: int
    without_decisions: int  # confirmed without a decision; not stored


async def import_feedback(config: DatabaseConfig, file: Path) -> ImportReport:
    """Store each line of a feedback file once.

    Raises ArtifactNotFoundError and ArtifactCorruptError for the file, before anything is stored; InvalidRecordError
    for a line that was stored with another content; the errors of the database.
    """
    records = [to_feedback(reviewed) for reviewed in read_feedback(file)]
    judged = [record for record in records if record.accepted or record.rejected or record.added]
    database = Database(config)
    try:
        await require_current(database)
        log = FeedbackLog(database)
        before = 0
        for record in judged:
            before += await log.of_request(record.origin.request_id) is not None
            await log.append(record)
    finally:
        await database.close()
    return ImportReport(len(judged) - before, before, len(records) - len(judged))


def to_feedback(reviewed: ReviewedVideo) -> Feedback:
    """Return a line as the service stores feedback."""

    def tags(verdict: Verdict) -> tuple[NamedTag, ...]:
        return tuple(NamedTag(made.tag.tag_id, made.tag.name) for made in reviewed.draft.of_verdict(verdict))

    origin = Origin(reviewed.feedback_id, CLIENT, datetime.fromisoformat(reviewed.at))
    video_id, version = reviewed.video.video_id, reviewed.bundle_version
    return Feedback(video_id, version, tags("accepted"), tags("rejected"), tags("added"), origin)
