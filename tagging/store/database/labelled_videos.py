"""Labelled videos that were added to a running service, or removed again. The last record of a video is what holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import RowMapping

from tagging.errors import InvalidRecordError
from tagging.store.database.log import Log
from tagging.store.database.schema import labelled_videos
from tagging.store.database.texts import ID_BYTES, require_client_name, require_text, require_time

PAYLOAD_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class LabelledRecord:
    request_id: str
    video_id: str
    kind: Literal["added", "removed"]
    payload: bytes  # what the service needs to add it anew; nothing here looks into it
    who: str
    at: datetime

    def __post_init__(self) -> None:
        """Raises InvalidRecordError."""
        require_text("request_id", self.request_id)
        require_text("video_id", self.video_id, ID_BYTES)
        require_client_name(self.who)
        if self.kind not in ("added", "removed"):
            raise ValueError(f"no kind of record: {self.kind!r}")
        if len(self.payload) > PAYLOAD_BYTES:
            raise InvalidRecordError(f"a payload of {len(self.payload)} bytes; expected at most {PAYLOAD_BYTES}")
        require_time(self.at)


class LabelledLog(Log[LabelledRecord]):
    table = labelled_videos

    def _row(self, record: LabelledRecord) -> Mapping[str, Any]:
        return {
            "request_id": record.request_id,
            "video_id": record.video_id,
            "kind": record.kind,
            "payload": record.payload,
            "who": record.who,
            "at": record.at,
        }

    def _record(self, row: RowMapping) -> LabelledRecord:
        return LabelledRecord(row["request_id"], row["video_id"], row["kind"], row["payload"], row["who"], row["at"])
