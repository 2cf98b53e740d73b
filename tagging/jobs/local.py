"""Batch tagging on one machine: a manifest in, parquet out, failures beside it.

    OUT/part-00000.parquet …                a row a tagged video
    OUT/dead_letters/part-00000.parquet …   a row a video that could not be tagged, and why
    OUT/_job.json                           what is being done; a second run of the same job goes on

The manifest is streamed and parts are renamed into place whole, so memory stays flat and a part is complete.
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
from tagging.manifest import read_videos
from tagging.media.read_ahead import Failure
from tagging.pipeline.tagger import Tagger
from tagging.progress import Progress
from tagging.store.answer_json import batch_row
from tagging.types import VideoRef

ROWS_A_PART = 2000
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
    """Tag every video of the manifest that `out` does not hold yet.

    Raises OutputExistsError where `out` holds anything but an unfinished run of the same job.
    """
    rows = read_videos(manifest, columns)
    first = list(islice(rows, 1))  # a manifest that cannot be opened is told before a folder is made
    job = {
        "manifest": ascii(str(manifest.resolve())),
        "columns": dict(columns),
        "bundle": tagger.bundle_version,
        **selection.model_dump(),
    }
    with _claim(out, job):
        return _tag_all(chain(first, rows), out, tagger, selection, progress)


def _tag_all(
    rows: Iterable[VideoRef | InvalidManifestError],
    out: Path,
    tagger: Tagger,
    selection: SelectConfig,
    progress: Progress,
) -> BatchReport:
    tagged, dead = _Parts(out, TAGGED), _Parts(out / "dead_letters", DEAD)
    done = {*tagged.column("video_id"), *dead.column("video_id")}
    told = set(dead.column("message"))  # rows that cannot be read have no id
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
                    dead.add(_dead_row(result.error, result.video))
                else:
                    tagged.add(batch_row(result))
                advance(1)
    finally:  # also when it is stopped, or the manifest breaks off
        for error in unreadable:
            if error.message not in told:
                dead.add(_dead_row(error))
        tagged.flush()
        dead.flush()
    if not tagged.parts:  # readers find the columns even where no video could be tagged
        tagged.write_part()
    return BatchReport(str(out), tagged.written, dead.written)


@contextmanager
def _claim(out: Path, job: dict[str, Any]) -> Iterator[None]:
    """Holds the folder for this job alone; raises OutputExistsError where it is not this job's."""
    path = out / "_job.json"
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        out.mkdir(parents=True, exist_ok=True)
        with atomic_text_file(path) as file:
            json.dump(job, file, indent=1)
    try:
        begun = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        begun = None
    if begun != job:
        what = "the results of another job" if begun else "something else"
        raise OutputExistsError(f"{out} is not an empty folder: it holds {what}", "choose another --out")
    with path.open(encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputExistsError(f"another run is writing into {out}", "wait for it to end") from error
        yield


class _Parts:
    """A growing folder of parquet parts; it goes on where an earlier run stopped."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder = folder
        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        self._flushed_at = time.monotonic()
        for partial in folder.glob(".part-*.partial-*"):
            partial.unlink()
        self._there = sorted(folder.glob("part-*.parquet"))
        self.parts = len(self._there)
        self.written = sum(pq.read_metadata(part).num_rows for part in self._there)

    def column(self, name: str) -> Iterator[Any]:
        """Of the rows of earlier runs."""
        for part in self._there:
            yield from pq.read_table(part, columns=[name])[name].to_pylist()

    def add(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) == ROWS_A_PART or time.monotonic() - self._flushed_at > FLUSH_AFTER_S:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            self.write_part()

    def write_part(self) -> None:
        """Write what is pending, even nothing, as one part: whole or not at all."""
        self._flushed_at = time.monotonic()
        # Let go of first: a signal after the renaming must not have them written again. What is lost
        # to a signal before it has not been written, so the next run makes it.
        rows, self._rows = self._rows, []
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"part-{self.parts:05d}.parquet"
        with atomic_file(self._folder / name) as partial:
            pq.write_table(pa.Table.from_pylist(rows, self._schema), partial)
        self.parts += 1
        self.written += len(rows)


def _dead_row(error: VideotagError, video: VideoRef | None = None) -> dict[str, Any]:
    return {
        "video_id": video.video_id if video else None,
        "uri": _utf8(video.uri) if video and video.uri is not None else None,
        "error": type(error).__name__,
        "message": _utf8(error.message),
        "hint": error.hint,
    }


def _utf8(text: str) -> str:
    """A path may hold bytes that are no text; parquet may not."""
    return text.encode("utf-8", "replace").decode("utf-8")
