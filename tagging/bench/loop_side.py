"""One side of the comparison with a user's loop, as a program of its own, so that its memory is its own.

`python -m tagging.bench.loop_side JOB SIDE` loads the models, tags the videos once, writes a line, and for every line
that it reads tags them again and writes what that took as JSON.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tagging.bench.loop_models import LoopModels
from tagging.bench.timing import family_cpu_s, spent_on
from tagging.config.encoders import RuntimeName
from tagging.errors import VideotagError
from tagging.media.read_ahead import Failure
from tagging.pipeline.load import load_tagger
from tagging.types import VideoRef

TagAll = Callable[[Sequence[VideoRef]], object]


@contextmanager
def user_loop(models: LoopModels) -> Iterator[TagAll]:
    from tagging.bench.user_loop import UserLoop

    yield UserLoop(models).tag


@contextmanager
def videotag(models: LoopModels, runtime: RuntimeName) -> Iterator[TagAll]:
    with load_tagger(models.bundles / runtime) as tagger:

        def tag(videos: Sequence[VideoRef]) -> None:
            for answer in tagger.tag_many(videos, tagger.selection(None)):
                if isinstance(answer, Failure):
                    raise answer.error

        yield tag


SIDES: Mapping[str, Callable[[LoopModels], AbstractContextManager[TagAll]]] = {
    "loop": user_loop,
    "videotag": partial(videotag, runtime="torch"),
    "videotag on OpenVINO": partial(videotag, runtime="openvino"),
}


def main(job: Path, side: str) -> None:
    """Answer lines until stdin ends."""
    stated = json.loads(job.read_text(encoding="utf-8"))
    models = LoopModels.read(stated["models"])
    videos = [VideoRef(**video) for video in stated["videos"]]
    with SIDES[side](models) as tag:
        tag(videos)
        _write({"ready": side})
        for _ in sys.stdin:
            _write(asdict(spent_on(lambda _: tag(videos), 0, family_cpu_s)))


def _write(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2])
    except VideotagError as error:
        sys.exit(f"error: {error.message}")
