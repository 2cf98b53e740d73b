"""Jobs of the models, and the batches in which they run: videos of one tagger together, other functions alone."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tagging.config.root import SelectConfig
from tagging.media.read_ahead import MEDIA_PER_BATCH, Failure, ReadVideo
from tagging.pipeline.tagger import Tagger
from tagging.types import RankedTags

TEXTS_AT_ONCE = 32  # videos in a batch


@dataclass(frozen=True, slots=True, eq=False)
class TagJob:
    """A video to tag."""

    done: "asyncio.Future[RankedTags | Failure]"
    tagger: Tagger
    video: ReadVideo
    selection: SelectConfig
    deadline_s: float | None  # of time.monotonic


@dataclass(frozen=True, slots=True, eq=False)
class RunJob:
    """Another function of the models, which runs alone in its turn."""

    done: "asyncio.Future[Any]"
    function: Callable[[], Any]
    deadline_s: float | None


Job = TagJob | RunJob
Batch = Sequence[TagJob] | RunJob  # videos of one tagger, or one function


def next_batch(waiting: deque[Job]) -> Batch | None:
    """Remove the jobs that run next together from a queue; None if nothing waits."""
    while waiting:
        first = waiting.popleft()
        if first.done.done():
            continue
        return first if isinstance(first, RunJob) else _batch_with(first, waiting)
    return None


def _batch_with(first: TagJob, waiting: deque[Job]) -> list[TagJob]:
    """The first job and those that can run with it: the videos of the same tagger that follow it in the queue."""
    batch, media = [first], int(_has_media(first))
    while waiting:
        job = waiting[0]
        if not job.done.done():
            if isinstance(job, RunJob) or job.tagger is not first.tagger:
                break
            if len(batch) == TEXTS_AT_ONCE or media + _has_media(job) > MEDIA_PER_BATCH:
                break
            batch.append(job)
            media += _has_media(job)
        waiting.popleft()
    return batch


def _has_media(job: TagJob) -> bool:
    return job.video.media is not None
