"""Jobs of the models, and the batches in which they run: videos of one tagger together, functions one by one.

A batch has either texts alone or media, as a clip takes as long as a hundred titles.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from typing import Any, Literal

from tagging.config.root import SelectConfig
from tagging.media.read_ahead import MEDIA_PER_BATCH, ReadVideo
from tagging.pipeline.tagger import Tagger

Inputs = Literal["texts", "media"]
AT_ONCE: Mapping[Inputs, int] = {"texts": 32, "media": MEDIA_PER_BATCH}  # videos in a batch


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """Work of the models for one caller."""

    done: "asyncio.Future[Any]"
    deadline_s: float | None  # of time.monotonic


@dataclass(frozen=True, slots=True, eq=False)
class EncodeJob(Job):
    """A video to encode."""

    tagger: Tagger
    video: ReadVideo

    @property
    def inputs(self) -> Inputs:
        return "texts" if self.video.media is None else "media"


@dataclass(frozen=True, slots=True, eq=False)
class TagJob(EncodeJob):
    """A video to encode and to tag."""

    selection: SelectConfig


@dataclass(frozen=True, slots=True, eq=False)
class EditJob(Job):
    """A change of recall and rank, such as a tag edit, which runs while no video is in these stages."""

    function: Callable[[], Any]


@dataclass(frozen=True, slots=True, eq=False)
class AloneJob(Job):
    """Another function of the models, which runs while nothing else is in any of them."""

    function: Callable[[], Any]


Batch = Sequence[EncodeJob] | EditJob | AloneJob  # videos of one tagger, or one function


def next_batch(waiting: deque[Job], encoding: Collection[Inputs], running: Collection[Job]) -> Batch | None:
    """Remove the jobs that run next together from a queue; None if nothing can run now.

    encoding: the inputs whose encoders are in use, so that videos with other inputs, and edits, may overtake those that
        wait for them
    A function that runs alone keeps its place in the queue, but texts and edits overtake one that waits for media.
    """
    if any(isinstance(job, AloneJob) for job in running):
        return None
    for job in [job for job in waiting if job.done.done()]:
        waiting.remove(job)
    if waiting and not running and isinstance(alone := waiting[0], AloneJob):
        waiting.popleft()
        return alone
    free = list(takewhile(lambda job: not isinstance(job, AloneJob), waiting))
    if any(_has_media(job) for job in (*running, *free)):
        free += [job for job in islice(waiting, len(free), None) if not (isinstance(job, AloneJob) or _has_media(job))]
    edit = next((job for job in free if isinstance(job, EditJob)), None)
    if edit is not None:
        waiting.remove(edit)
        return edit
    videos = [job for job in free if isinstance(job, EncodeJob)]
    first = next((job for job in videos if job.inputs not in encoding), None)
    if first is None:
        return None
    alike = (job for job in videos if job.inputs == first.inputs)
    batch = list(islice(takewhile(lambda job: job.tagger is first.tagger, alike), AT_ONCE[first.inputs]))
    for job in batch:
        waiting.remove(job)
    return batch


def _has_media(job: Job) -> bool:
    return isinstance(job, EncodeJob) and job.inputs == "media"
