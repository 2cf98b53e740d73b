"""Plain loop over the tagger, as a program: `python -m tagging.tools.benchmarks.batch_loop MANIFEST BUNDLE`.

It prints the part of a batch's summary that benchmarks/batch.py compares. The time starts when the bundle is loaded.
"""

import json
import sys
import time
from contextlib import suppress
from pathlib import Path

from tagging.errors import VideotagError
from tagging.jobs.timing import StageSeconds
from tagging.manifests.read import read_videos
from tagging.pipeline.load import load_tagger
from tagging.types import VideoRef


def main(manifest: Path, bundle: Path) -> None:
    seconds = StageSeconds()
    with load_tagger(bundle, seconds) as tagger:
        selection, done, started = tagger.selection(None), 0, time.monotonic()
        for video in read_videos(manifest, {}):
            done += 1
            if isinstance(video, VideoRef):
                with suppress(VideotagError):
                    tagger.tag(video, selection)
        spent = time.monotonic() - started
    rates = {stage: round(done / each, 2) for stage, each in seconds.take().items() if each > 0}
    sys.stdout.write(json.dumps({"done": done, "seconds": round(spent, 2), "stage_rates": rates}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
