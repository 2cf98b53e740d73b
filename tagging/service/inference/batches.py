"""Jobs of the models, and the batches in which they run: videos of one tagger together, other functions alone."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tagging.config.root import SelectConfig
from tagging.errors import BackendUnavailableError, DeadlineExceededError
from tagging.media.read_ahead import MEDIA_PER_BATCH, Failure, ReadVideo
from tagging.pipeline.tagger import Tagger
from tagging.types import RankedTags

Result = RankedTags | Failure | Exception  # of a video; an exception is raised in its caller

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


Batch = Sequence[TagJob | RunJob]  # videos, or one function


def next_batch(waiting: deque[TagJob | RunJob]) -> Batch:
    """Remove the jobs that run next together from a queue: one function, or videos; none if nothing waits."""
    while waiting:
        first = waiting.popleft()
        if first.done.done():
            continue
        return [first] if isinstance(first, RunJob) else _batch_with(first, waiting)
    return []


def run_batch(batch: Batch) -> list[Any]:
    """The results of a batch, or the exceptions that are to be raised in its callers, in its order."""
    videos = [job for job in batch if isinstance(job, TagJob)]
    return _tag(videos) if videos else [_call(job) for job in batch if isinstance(job, RunJob)]


def _batch_with(first: TagJob, waiting: deque[TagJob | RunJob]) -> list[TagJob]:
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


def _call(job: RunJob) -> Any:
    try:
        return job.function()
    except Exception as error:
        return error


def _tag(batch: Sequence[TagJob]) -> list[Result]:
    try:
        return list(batch[0].tagger.tag_read([job.video for job in batch], [job.selection for job in batch]))
    except (BackendUnavailableError, DeadlineExceededError) as error:  # none of the videos is to blame
        return [error for _ in batch]
    except Exception as error:
        if len(batch) == 1:
            return [error]
        return [result for job in batch for result in _tag([job])]  # a bad video fails alone
