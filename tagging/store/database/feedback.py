"""What people said of the tags of a video."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from tagging.store.database.log import Log
from tagging.store.database.schema import feedback
from tagging.store.database.texts import ID_BYTES, plain_json, require_client_name, require_text, require_time


@dataclass(frozen=True, slots=True)
class NamedTag:
    """A tag as people saw it, also after it was renamed; `tag_id` is None for a name that no tag had."""

    tag_id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Feedback:
    request_id: str
    video_id: str
    bundle_version: str  # whose tags these are
    accepted: tuple[NamedTag, ...]
    rejected: tuple[NamedTag, ...]
    added: tuple[NamedTag, ...]  # which the answer did not have
    who: str
    at: datetime

    def __post_init__(self) -> None:
        """Raises InvalidRecordError."""
        require_text("request_id", self.request_id, ID_BYTES)
        require_text("video_id", self.video_id, ID_BYTES)
        require_text("bundle_version", self.bundle_version)
        require_client_name(self.who)
        require_time(self.at)
        plain_json("feedback", _tags(self))


class FeedbackLog(Log[Feedback]):
    table = feedback

    def _row(self, record: Feedback) -> Mapping[str, Any]:
        return {
            "request_id": record.request_id,
            "video_id": record.video_id,
            "bundle_version": record.bundle_version,
            **_tags(record),
            "who": record.who,
            "at": record.at,
        }

    def _record(self, row: RowMapping) -> Feedback:
        accepted, rejected, added = (tuple(NamedTag(**tag) for tag in row[kind]) for kind in KINDS)
        return Feedback(
            row["request_id"],
            row["video_id"],
            row["bundle_version"],
            accepted,
            rejected,
            added,
            row["who"],
            row["at"],
        )


KINDS = ("accepted", "rejected", "added")


def _tags(record: Feedback) -> dict[str, list[dict[str, Any]]]:
    return {kind: [asdict(tag) for tag in getattr(record, kind)] for kind in KINDS}
