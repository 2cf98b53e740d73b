"""Batch tagging on one machine: a manifest in, parquet out, failures in a table of their own.

    OUT/part-00000.parquet …                a row per tagged video
    OUT/dead_letters/part-00000.parquet …   a row per video that could not be tagged, with the reason
    OUT/_job.json                           the job; running the same job again resumes it

The manifest is streamed, so memory stays flat. Running the job again tags the missing videos, the rows that were edited
since, and the videos whose failure was transient.
"""

import fcntl
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from tagging.config.root import SelectConfig
from tagging.errors import InvalidManifestError, OutputExistsError
from tagging.files.atomic import atomic_text_file
from tagging.jobs.results import BatchResults
from tagging.manifests.read import read_videos
from tagging.media.read_ahead import Failure
from tagging.pipeline.tagger import Tagger
from tagging.progress import Progress
from tagging.types import VideoRef


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
    """Tag every video of the manifest of which `out` does not contain the final result yet.

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
    results = BatchResults(out)
    unreadable: list[InvalidManifestError] = []
    waiting: dict[str, VideoRef] = {}
    is_complete = False
    try:
        with progress.track("tag", None) as advance:

            def videos() -> Iterator[VideoRef]:
                nonlocal is_complete
                for row in rows:
                    if isinstance(row, InvalidManifestError):
                        unreadable.append(row)
                    elif results.holds(row):
                        advance(1)
                    else:
                        waiting[row.video_id] = row
                        yield row
                is_complete = True

            for result in tagger.tag_many(videos(), selection):
                if isinstance(result, Failure):
                    results.add_failure(waiting.pop(result.video.video_id), result.error)
                else:
                    results.add_answer(waiting.pop(result.video_id), result)
                advance(1)
    finally:  # also if the run is stopped, or the manifest ends in an error
        results.finish(unreadable, is_complete=is_complete)
    results.write_columns()
    return BatchReport(str(out), results.tagged, results.dead_letters)


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
