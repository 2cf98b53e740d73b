"""Labelled video log: videos added to and removed from a running service. The last record of a video counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import RowMapping

from tagging.errors import InvalidRecordError
from tagging.store.database.log import Log
from tagging.store.database.schema import labelled_videos
from tagging.store.database.texts import ID_BYTES, require_text
from tagging.store.labelled_log import LabelledUpdate, RemovedVideo, from_bytes, to_bytes, video_id_of
from tagging.types import Origin

PAYLOAD_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class LabelledRecord:
    """An added or removed labelled video, serialised: a payload of a newer version must not break reading the log."""

    video_id: str
    kind: Literal["added", "removed"]
    payload: bytes  # empty for a removed video
    origin: Origin

    def __post_init__(self) -> None:
        """Raises InvalidRecordError, and ValueError for an unknown kind."""
        require_text("video_id", self.video_id, ID_BYTES)
        if self.kind not in ("added", "removed"):
            raise ValueError(f"unknown kind of record {self.kind!r}")
        if len(self.payload) > PAYLOAD_BYTES:
            raise InvalidRecordError(f"a payload of {len(self.payload)} bytes; expected at most {PAYLOAD_BYTES}")

    @classmethod
    def of(cls, update: LabelledUpdate, origin: Origin) -> "LabelledRecord":
        """Serialise an added or removed video."""
        if isinstance(update, RemovedVideo):
            return cls(update.video_id, "removed", b"", origin)
        return cls(video_id_of(update), "added", to_bytes(update), origin)

    def update(self) -> LabelledUpdate:
        """Return the added or removed video; raises ArtifactCorruptError for a payload that cannot be read."""
        return from_bytes(self.payload, "the record") if self.kind == "added" else RemovedVideo(self.video_id)


class LabelledLog(Log[LabelledRecord]):
    """The log of added and removed labelled videos."""

    table = labelled_videos

    def _content(self, record: LabelledRecord) -> Mapping[str, Any]:
        return {"video_id": record.video_id, "kind": record.kind, "payload": record.payload}

    def _record(self, row: RowMapping, origin: Origin) -> LabelledRecord:
        return LabelledRecord(row["video_id"], row["kind"], row["payload"], origin)
