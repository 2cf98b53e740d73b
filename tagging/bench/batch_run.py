"""Runs of `videotag batch` in this process, over a bundle that is loaded."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tagging.bundle.manifest import BUNDLE, BundleManifest
from tagging.errors import VideotagError
from tagging.files.storage import Storage
from tagging.jobs.batch import run_batch
from tagging.jobs.job import BatchJob
from tagging.jobs.local import LocalExecutor
from tagging.jobs.stages import StageJob
from tagging.jobs.timing import StageSeconds
from tagging.pipeline.load import load_tagger
from tagging.pipeline.tagger import Tagger
from tagging.progress import Silent
from tagging.types import VideoRef


@dataclass(frozen=True, slots=True, eq=False)
class BatchRunner:
    tagger: Tagger
    about: BundleManifest
    seconds: StageSeconds  # what the tagger measures its stages with

    @classmethod
    @contextmanager
    def loaded(cls, bundle: Path, *, reads_media: bool = True) -> Iterator["BatchRunner"]:
        """Load a bundle; raises what `load_tagger` raises."""
        seconds = StageSeconds()
        with load_tagger(bundle, seconds, reads_media=reads_media) as tagger:
            yield cls(tagger, BUNDLE.read(bundle), seconds)

    def run(self, manifest: Path, out: Path) -> None:
        """Tag the videos of a manifest into a new folder. Raises VideotagError if a video cannot be tagged."""
        job = BatchJob(str(manifest), {}, self.about.version, self.tagger.selection(None))
        storage = Storage(str(out))
        executor = LocalExecutor(self.tagger, StageJob.of(job, storage, self.about), self.seconds)
        summary = run_batch(job, storage, executor, Silent())
        if summary.dead_letters:
            raise VideotagError(f"{summary.dead_letters} videos could not be tagged", f"see {out}/dead_letters")


def write_manifest(path: Path, videos: Iterable[VideoRef]) -> Path:
    """Write the videos as a manifest, under ids of their own; return its path."""
    rows = (
        {"video_id": f"{number}", "uri": video.uri, "title": video.title, "description": video.description}
        for number, video in enumerate(videos)
    )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
