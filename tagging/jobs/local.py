"""Batch tagging on one machine: a manifest in, parquet out, failures beside it.

    OUT/part-00000.parquet …                a row a tagged video
    OUT/dead_letters/part-00000.parquet …   a row a video that could not be tagged, and why

The manifest is streamed and parts are renamed into place whole, so memory stays flat and a part is complete.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tagging.config import SelectConfig
from tagging.errors import InvalidManifestError, OutputExistsError, VideotagError
from tagging.manifest import read_videos
from tagging.pipeline import Tagger
from tagging.progress import Progress
from tagging.reading import Failure
from tagging.types import RankedTags, VideoRef

ROWS_A_PART = 2000
TAGGED = pa.schema(
    [
        ("video_id", pa.string()),
        (
            "tags",
            pa.list_(pa.struct([("name", pa.string()), ("confidence", pa.float32()), ("id", pa.string())])),
        ),
        ("modalities", pa.list_(pa.string())),
        ("warnings", pa.list_(pa.string())),
        ("bundle", pa.string()),
    ]
)
DEAD = pa.schema(
    [
        ("video_id", pa.string()),  # null where the row itself could not be read
        ("uri", pa.string()),
        ("error", pa.string()),
        ("message", pa.string()),
        ("hint", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class BatchReport:
    out: str
    tagged: int
    dead_letters: int


def run_batch(
    manifest: Path,
    columns: Mapping[str, str],
    out: Path,
    tagger: Tagger,
    selection: SelectConfig,
    progress: Progress,
) -> BatchReport:
    """Tag every video of the manifest; raises OutputExistsError where `out` holds anything already."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputExistsError(f"{out} is not an empty folder", "choose another --out")
    tagged = _Parts(out, TAGGED)
    dead = _Parts(out / "dead_letters", DEAD)
    unreadable: list[InvalidManifestError] = []

    def videos() -> Iterator[VideoRef]:
        for row in read_videos(manifest, columns):
            if isinstance(row, VideoRef):
                yield row
            else:
                unreadable.append(row)

    with progress.track("tag", None) as advance:
        for result in tagger.tag_many(videos(), selection):
            if isinstance(result, Failure):
                dead.add(_dead_row(result.error, result.video))
            else:
                tagged.add(_tagged_row(result))
            advance(1)
            while unreadable:
                dead.add(_dead_row(unreadable.pop(0)))
        for error in unreadable:
            dead.add(_dead_row(error))
    if tagged.pending or not tagged.written:  # readers find the columns even where no video could be tagged
        tagged.flush()
    if dead.pending:
        dead.flush()
    return BatchReport(str(out), tagged.written, dead.written)


class _Parts:
    """A growing folder of parquet parts."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder = folder
        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        self._parts = 0
        self.written = 0

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) == ROWS_A_PART:
            self.flush()

    @property
    def pending(self) -> int:
        return len(self._rows)

    def flush(self) -> None:
        """Write what is pending as one part, whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"part-{self._parts:05d}.parquet"
        partial = self._folder / f".{name}.partial"
        pq.write_table(pa.Table.from_pylist(self._rows, self._schema), partial)
        partial.rename(self._folder / name)
        self._parts += 1
        self.written += len(self._rows)
        self._rows.clear()


def _tagged_row(answer: RankedTags) -> dict[str, Any]:
    return {
        "video_id": answer.video_id,
        "tags": [{"name": tag.name, "confidence": tag.confidence, "id": tag.tag_id} for tag in answer.tags],
        "modalities": list(answer.modalities),
        "warnings": list(answer.warnings),
        "bundle": answer.bundle_version,
    }


def _dead_row(error: VideotagError, video: VideoRef | None = None) -> dict[str, Any]:
    return {
        "video_id": video.video_id if video else None,
        "uri": video.uri if video else None,
        "error": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
    }
