"""Tables of a batch: the columns of tagged videos and of dead letters, and their rows."""

from typing import Any

import pyarrow as pa

from tagging.errors import (
    BackendUnavailableError,
    DecodeCrashError,
    DecodeTimeoutError,
    OutputUnwritableError,
    VideotagError,
)
from tagging.files.addresses import is_remote, scheme_of
from tagging.jobs.shards import Row, row_hash
from tagging.messages import without_credentials
from tagging.store.answer_json import batch_row
from tagging.types import RankedTags, VideoRef

SPAN = pa.struct(
    [("start_s", pa.float64()), ("end_s", pa.float64()), ("modality", pa.string()), ("strength", pa.float32())]
)
TAG = pa.struct(
    [
        ("name", pa.string()),
        ("confidence", pa.float32()),
        ("id", pa.string()),
        ("is_new", pa.bool_()),
        # A list rather than a map, which pandas and DuckDB read differently.
        ("channels", pa.list_(pa.struct([("name", pa.string()), ("score", pa.float32())]))),
        ("spans", pa.list_(SPAN)),
    ]
)
TAGGED = pa.schema(
    [
        ("video_id", pa.string()),
        ("tags", pa.list_(TAG)),
        ("modalities", pa.list_(pa.string())),
        ("warnings", pa.list_(pa.string())),
        ("bundle", pa.string()),
        ("content_hash", pa.string()),  # sha256 of the media's bytes; null without media
        ("row_hash", pa.string()),  # of the manifest row
    ]
)
DEAD_LETTERS = pa.schema(
    [
        ("video_id", pa.string()),  # null if the manifest row itself could not be read
        ("uri", pa.string()),
        ("stage", pa.string()),  # manifest, decode, or tag
        ("error", pa.string()),
        ("message", pa.string()),
        ("hint", pa.string()),
        ("transient", pa.bool_()),  # the next run tries again
        ("attempts", pa.int32()),  # runs in which it failed
        ("row_hash", pa.string()),
    ]
)
# A server that is down, decode processes that do not start, and no room for a download.
TRANSIENT = (BackendUnavailableError, OutputUnwritableError)
CRASHES = 3  # runs after which a decoder's death is the fault of the file, and not of a machine that is short of memory

TableRow = dict[str, Any]


def tagged_row(video: VideoRef, answer: RankedTags, content_hash: str | None) -> TableRow:
    """Return the row of a tagged video."""
    return {**batch_row(answer), "content_hash": content_hash, "row_hash": row_hash(video)}


def dead_letter(row: Row, stage: str, error: VideotagError, attempts: int) -> TableRow:
    """Return the row of a video that could not be tagged, or of a manifest row that could not be read."""
    video = row if isinstance(row, VideoRef) else None
    return {
        "video_id": video.video_id if video else None,
        "uri": _utf8(without_credentials(video.uri)) if video and video.uri is not None else None,
        "stage": stage,
        "error": type(error).__name__,
        "message": _utf8(error.message),
        "hint": error.hint,
        "transient": _is_transient(error, video, attempts),
        "attempts": attempts,
        "row_hash": row_hash(row),
    }


def _is_transient(error: VideotagError, video: VideoRef | None, attempts: int) -> bool:
    """Return whether another try may succeed. The time-out of decoding includes the download of a URL."""
    if isinstance(error, DecodeCrashError):
        return attempts < CRASHES
    uri = (video.uri if video else None) or ""
    is_download = scheme_of(uri) in ("http", "https") or is_remote(uri)
    return isinstance(error, TRANSIENT) or (is_download and isinstance(error, DecodeTimeoutError))


def _utf8(text: str) -> str:
    """Replace the undecodable bytes of a path, which parquet cannot store."""
    return text.encode("utf-8", "replace").decode("utf-8")
