"""Batch tagging on one machine: a manifest in, parquet out, failures in a table of their own.

    OUT/part-00000.parquet …                a row per tagged video
    OUT/dead_letters/part-00000.parquet …   a row per video that could not be tagged, with the reason
    OUT/_job.json                           the job; running the same job again resumes it

The manifest is streamed and each part is renamed into place when complete, so memory stays flat and a part is never
incomplete.
"""

import fcntl
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tagging.config.root import SelectConfig
from tagging.errors import InvalidManifestError, OutputExistsError, VideotagError
from tagging.files.atomic import atomic_file, atomic_text_file
from tagging.manifests.read import read_videos
from tagging.media.read_ahead import Failure
from tagging.pipeline.tagger import Tagger
from tagging.progress import Progress
from tagging.store.answer_json import batch_row
from tagging.types import VideoRef

ROWS_PER_PART = 2000
FLUSH_AFTER_S = 60.0
TAGGED = pa.schema(
    [
        ("video_id", pa.string()),
        (
            "tags",
            pa.list_(
                pa.struct(
                    [("name", pa.string()), ("confidence", pa.float32()), ("id", pa.string()), ("is_new", pa.bool_())]
                )
            ),
        ),
        ("modalities", pa.list_(pa.string())),
        ("warnings", pa.list_(pa.string())),
        ("bundle", pa.string()),
    ]
)
DEAD_LETTERS = pa.schema(
    [
        ("video_id", pa.string()),  # null if the manifest row itself could not be read
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
    """Tag every video of the manifest that `out` does not contain yet.

    columns: field -> column of the manifest, where they differ
    Raises InvalidManifestError, and OutputExistsError if `out` contains anything but an unfinished run of this job.
    """
    rows = read_videos(manifest, columns)
    first = list(islice(rows, 1))  # an unreadable manifest is reported before a folder is made
    job = {
        "manifest": ascii(str(manifest.resolve())),
        "columns": dict(columns),
        "bundle": tagger.bundle_version,
        **selection.model_dump(),
    }
    with _locked(out, job):
        return _tag_all(chain(first, rows), out, tagger, selection, progress)


def _tag_all(
    rows: Iterable[VideoRef | InvalidManifestError],
    out: Path,
    tagger: Tagger,
    selection: SelectConfig,
    progress: Progress,
) -> BatchReport:
    tagged, dead = _PartWriter(out, TAGGED), _PartWriter(out / "dead_letters", DEAD_LETTERS)
    done = {*tagged.column("video_id"), *dead.column("video_id")}
    reported = set(dead.column("message"))  # unreadable manifest rows have no id
    unreadable: list[InvalidManifestError] = []

    def videos() -> Iterator[VideoRef]:
        for row in rows:
            if isinstance(row, InvalidManifestError):
                unreadable.append(row)
            elif row.video_id not in done:
                yield row

    try:
        with progress.track("tag", None) as advance:
            advance(tagged.written + dead.written)
            for result in tagger.tag_many(videos(), selection):
                if isinstance(result, Failure):
                    dead.add(_dead_letter_row(result.error, result.video))
                else:
                    tagged.add(batch_row(result))
                advance(1)
    finally:  # also if the run is stopped, or the manifest ends in an error
        for error in unreadable:
            if error.message not in reported:
                dead.add(_dead_letter_row(error))
        tagged.flush()
        dead.flush()
    if not tagged.parts:  # readers find the columns even if no video could be tagged
        tagged.write_part()
    return BatchReport(str(out), tagged.written, dead.written)


@contextmanager
def _locked(out: Path, job: Mapping[str, object]) -> Iterator[None]:
    """Hold the output folder's lock for this job.

    Raises OutputExistsError if the folder belongs to another job or is in use.
    """
    path = out / "_job.json"
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        out.mkdir(parents=True, exist_ok=True)
        with atomic_text_file(path) as file:
            json.dump(job, file, indent=1)
    try:
        started = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        started = None
    if started != job:
        content = "the results of another job" if started else "other files"
        raise OutputExistsError(f"{out} is not an empty folder: it holds {content}", "choose another --out")
    with path.open(encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputExistsError(f"another run is writing into {out}", "wait for it to end") from error
        yield


class _PartWriter:
    """Appends rows to a folder of parquet parts, continuing after the parts of an earlier run."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder = folder
        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        self._flushed_at = time.monotonic()
        for partial in folder.glob(".part-*.partial-*"):
            partial.unlink()
        self._earlier_parts = sorted(folder.glob("part-*.parquet"))
        self.parts = len(self._earlier_parts)
        self.written = sum(pq.read_metadata(part).num_rows for part in self._earlier_parts)

    def column(self, name: str) -> Iterator[Any]:
        """Yield the values of a column in the rows of earlier runs."""
        for part in self._earlier_parts:
            yield from pq.read_table(part, columns=[name])[name].to_pylist()

    def add(self, row: dict[str, Any]) -> None:
        """Add a row, which is written at the latest with the last row of a part or after FLUSH_AFTER_S."""
        self._rows.append(row)
        if len(self._rows) == ROWS_PER_PART or time.monotonic() - self._flushed_at > FLUSH_AFTER_S:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            self.write_part()

    def write_part(self) -> None:
        """Write the pending rows, even if there are none, as one part: completely or not at all."""
        self._flushed_at = time.monotonic()
        # Cleared before writing: a signal after the renaming must not write the rows twice. Rows lost to a signal
        # before it are not in any part, so the next run tags those videos again.
        rows, self._rows = self._rows, []
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"part-{self.parts:05d}.parquet"
        with atomic_file(self._folder / name) as partial:
            pq.write_table(pa.Table.from_pylist(rows, self._schema), partial)
        self.parts += 1
        self.written += len(rows)


def _dead_letter_row(error: VideotagError, video: VideoRef | None = None) -> dict[str, Any]:
    return {
        "video_id": video.video_id if video else None,
        "uri": _utf8(video.uri) if video and video.uri is not None else None,
        "error": type(error).__name__,
        "message": _utf8(error.message),
        "hint": error.hint,
    }


def _utf8(text: str) -> str:
    """Replace the undecodable bytes of a path, which parquet cannot store."""
    return text.encode("utf-8", "replace").decode("utf-8")
