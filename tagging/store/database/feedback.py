"""Feedback log: the tags of a video's answer that users accepted and rejected, and the ones that they added."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import RowMapping

from tagging.store.database.log import Log
from tagging.store.database.schema import feedback
from tagging.store.database.texts import ID_BYTES, plain_json, require_text
from tagging.types import Origin

VERDICTS = ("accepted", "rejected", "added")


@dataclass(frozen=True, slots=True)
class NamedTag:
    """A tag under the name that was shown, which a later rename does not change."""

    tag_id: str | None  # None: no tag had the name
    name: str


@dataclass(frozen=True, slots=True)
class Feedback:
    """Feedback on one video."""

    video_id: str
    bundle_version: str  # of the answer
    accepted: tuple[NamedTag, ...]
    rejected: tuple[NamedTag, ...]
    added: tuple[NamedTag, ...]  # missing from the answer
    origin: Origin

    def __post_init__(self) -> None:
        """Raises InvalidRecordError."""
        require_text("video_id", self.video_id, ID_BYTES)
        require_text("bundle_version", self.bundle_version)
        plain_json("feedback", _tags(self))


class FeedbackLog(Log[Feedback]):
    """The log of feedback."""

    table = feedback

    def _content(self, record: Feedback) -> Mapping[str, Any]:
        return {"video_id": record.video_id, "bundle_version": record.bundle_version, **_tags(record)}

    def _record(self, row: RowMapping, origin: Origin) -> Feedback:
        accepted, rejected, added = (tuple(NamedTag(**tag) for tag in row[verdict]) for verdict in VERDICTS)
        return Feedback(row["video_id"], row["bundle_version"], accepted, rejected, added, origin)


def _tags(record: Feedback) -> dict[str, list[dict[str, str | None]]]:
    return {verdict: [asdict(tag) for tag in getattr(record, verdict)] for verdict in VERDICTS}
