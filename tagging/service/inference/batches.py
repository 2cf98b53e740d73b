"""Jobs of the models, and the batches in which they run: videos of one tagger together, other functions alone.

A batch has either texts alone or media, as a clip takes as long as a hundred titles.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any, Literal

from tagging.config.root import SelectConfig
from tagging.media.read_ahead import MEDIA_PER_BATCH, Failure, ReadVideo
from tagging.pipeline.tagger import Tagger
from tagging.types import RankedTags

Inputs = Literal["texts", "media"]
AT_ONCE: Mapping[Inputs, int] = {"texts": 32, "media": MEDIA_PER_BATCH}  # videos in a batch


@dataclass(frozen=True, slots=True, eq=False)
class TagJob:
    """A video to tag."""

    done: "asyncio.Future[RankedTags | Failure]"
    tagger: Tagger
    video: ReadVideo
    selection: SelectConfig
    deadline_s: float | None  # of time.monotonic

    @property
    def inputs(self) -> Inputs:
        return "texts" if self.video.media is None else "media"


@dataclass(frozen=True, slots=True, eq=False)
class RunJob:
    """Another function of the models, which runs alone in its turn."""

    done: "asyncio.Future[Any]"
    function: Callable[[], Any]
    deadline_s: float | None


Job = TagJob | RunJob
Batch = Sequence[TagJob] | RunJob  # videos of one tagger, or one function


def next_batch(waiting: deque[Job], encoding: Collection[Inputs]) -> Batch | None:
    """Remove the jobs that run next together from a queue; None if nothing can run now.

    encoding: the inputs whose encoders are in use, so that videos with other inputs may overtake those that wait for
        them. A function keeps its place in the queue.
    """
    for job in [job for job in waiting if job.done.done()]:
        waiting.remove(job)
    if waiting and isinstance(function := waiting[0], RunJob):
        waiting.popleft()
        return function
    videos = [job for job in takewhile(lambda job: isinstance(job, TagJob), waiting) if isinstance(job, TagJob)]
    first = next((job for job in videos if job.inputs not in encoding), None)
    if first is None:
        return None
    alike = (job for job in videos if job.inputs == first.inputs)
    batch = list(islice(takewhile(lambda job: job.tagger is first.tagger, alike), AT_ONCE[first.inputs]))
    for job in batch:
        waiting.remove(job)
    return batch
