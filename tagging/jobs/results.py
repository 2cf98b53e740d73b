"""Results of a batch: a row for each video, either in the table of tagged videos or in that of dead letters.

A row is stored with the hash of its manifest row. When the video is tagged again, because its manifest row was edited
or its failure was transient, the new row takes the place of the old one.
"""

import hashlib
import json
import re
from collections.abc import Collection
from pathlib import Path

import pyarrow as pa

from tagging.errors import BackendUnavailableError, DecodeTimeoutError, OutputUnwritableError, VideotagError
from tagging.jobs.parts import PartTable
from tagging.messages import without_credentials
from tagging.store.answer_json import batch_row
from tagging.types import RankedTags, VideoRef

SPAN = pa.struct(
    [("start_s", pa.float64()), ("end_s", pa.float64()), ("modality", pa.string()), ("strength", pa.float32())]
)
TAGGED = pa.schema(
    [
        ("video_id", pa.string()),
        (
            "tags",
            pa.list_(
                pa.struct(
                    [
                        ("name", pa.string()),
                        ("confidence", pa.float32()),
                        ("id", pa.string()),
                        ("is_new", pa.bool_()),
                        ("spans", pa.list_(SPAN)),
                    ]
                )
            ),
        ),
        ("modalities", pa.list_(pa.string())),
        ("warnings", pa.list_(pa.string())),
        ("bundle", pa.string()),
        ("row_hash", pa.string()),  # of the manifest row
    ]
)
DEAD_LETTERS = pa.schema(
    [
        ("video_id", pa.string()),  # null if the manifest row itself could not be read
        ("uri", pa.string()),
        ("error", pa.string()),
        ("message", pa.string()),
        ("hint", pa.string()),
        ("transient", pa.bool_()),  # the next run tries again
        ("row_hash", pa.string()),
    ]
)
# A server that is down, and no room for a download.
TRANSIENT = (BackendUnavailableError, OutputUnwritableError)


class BatchResults:
    """The tables of one output folder."""

    def __init__(self, out: Path) -> None:
        self._tagged = PartTable(out, TAGGED)
        self._dead = PartTable(out / "dead_letters", DEAD_LETTERS)
        self._stored: set[str] = set()  # ids of all rows of earlier runs
        self._final: dict[str, str | None] = {}  # id -> row hash, of the rows that are not tried again
        self._unreadable: set[str] = set()  # messages of manifest rows without a readable id
        for video_id, row_hash in self._tagged.rows("video_id", "row_hash"):
            self._stored.add(video_id)
            self._final[video_id] = row_hash
        for video_id, row_hash, transient, message in self._dead.rows("video_id", "row_hash", "transient", "message"):
            if video_id is None:
                self._unreadable.add(message)
                continue
            self._stored.add(video_id)
            if not transient:
                self._final[video_id] = row_hash

    @property
    def tagged(self) -> int:
        """The number of tagged videos."""
        return self._tagged.written

    @property
    def dead_letters(self) -> int:
        """The number of videos and manifest rows that could not be tagged."""
        return self._dead.written

    def holds(self, video: VideoRef) -> bool:
        """Return whether an earlier run has the final result of this very manifest row."""
        if video.video_id not in self._final:
            return False
        # An earlier version stored no hash.
        return self._final[video.video_id] in (None, row_hash(video))

    def add_answer(self, video: VideoRef, answer: RankedTags) -> None:
        """Add a tagged video, which is written at the latest with the last row of a part or after FLUSH_AFTER_S."""
        self._tagged.pending.append({**batch_row(answer), "row_hash": row_hash(video)})
        self._write_if_due(self._tagged)

    def add_failure(self, video: VideoRef, error: VideotagError) -> None:
        """Add a video that could not be tagged."""
        self._dead.pending.append(_dead_letter(error, video))
        self._write_if_due(self._dead)

    def finish(self, unreadable: Collection[VideotagError], *, is_complete: bool) -> None:
        """Write the pending rows, and the errors of the manifest rows that could not be read.

        is_complete: the manifest was read to its end, so errors of earlier runs that did not occur again were mended
        """
        errors = {_utf8(error.message): error for error in unreadable}
        if is_complete and (mended := self._unreadable - errors.keys()):
            self._dead.drop("message", mended)
        self._dead.pending += [
            _dead_letter(error) for message, error in errors.items() if message not in self._unreadable
        ]
        for table in (self._tagged, self._dead):
            if table.pending:
                self._write(table)

    def write_columns(self) -> None:
        """Write a table without rows if no video was tagged, so that readers find its columns."""
        if self._tagged.is_empty:
            self._tagged.write_part()

    def _write_if_due(self, table: PartTable) -> None:
        if table.is_due:
            self._write(table)

    def _write(self, table: PartTable) -> None:
        # Dropped before the new rows are written: a killed run loses an answer, which the next run computes again, but
        # never leaves two.
        replaced = self._stored & {row["video_id"] for row in table.pending}
        if replaced:
            for earlier in (self._tagged, self._dead):
                earlier.drop("video_id", replaced)
            self._stored -= replaced
        table.write_part()


def row_hash(video: VideoRef) -> str:
    """Return the hash of everything in a manifest row that can change the answer."""
    row = (video.video_id, video.uri, video.title, video.description, video.uploader_id)
    return hashlib.sha256(json.dumps(row).encode("ascii")).hexdigest()[:32]


def _dead_letter(error: VideotagError, video: VideoRef | None = None) -> dict[str, object]:
    return {
        "video_id": video.video_id if video else None,
        "uri": _utf8(without_credentials(video.uri)) if video and video.uri is not None else None,
        "error": type(error).__name__,
        "message": _utf8(error.message),
        "hint": error.hint,
        "transient": _is_transient(error, video),
        "row_hash": row_hash(video) if video else None,
    }


def _is_transient(error: VideotagError, video: VideoRef | None) -> bool:
    """Return whether another try may succeed. The time-out of decoding includes the download of a URL."""
    is_download = video is not None and re.match(r"https?://", video.uri or "", re.IGNORECASE) is not None
    return isinstance(error, TRANSIENT) or (is_download and isinstance(error, DecodeTimeoutError))


def _utf8(text: str) -> str:
    """Replace the undecodable bytes of a path, which parquet cannot store."""
    return text.encode("utf-8", "replace").decode("utf-8")
