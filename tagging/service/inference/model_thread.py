"""Model thread: dynamic batching of videos for the one thread in which a bundle's models run.

Within a batch, encoders, recall and rank run one after another; libraries bring their own threads below. A batch is
made of what arrived while the one before it ran, so a single video does not wait for others. Jobs whose callers are
gone are skipped. A running batch has the latest deadline of its callers, and is cancelled when all of them are gone:
that ends its requests to other servers.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from tagging import concurrency
from tagging.config.root import SelectConfig
from tagging.errors import BackendUnavailableError, DeadlineExceededError
from tagging.media.read_ahead import MEDIA_PER_BATCH, Failure, ReadVideo
from tagging.pipeline.tagger import Tagger
from tagging.store.database.taggings import TaggingOptions
from tagging.types import RankedTags

T = TypeVar("T")
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


class ModelThread:
    """Runs jobs in their order of arrival. Belongs to one event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "model")
        self._waiting: deque[TagJob | RunJob] = deque()
        self._arrived = asyncio.Event()
        self._task = asyncio.create_task(self._work())

    async def tag(self, tagger: Tagger, video: ReadVideo, selection: SelectConfig) -> RankedTags:
        """Tag a video; raises the VideotagError that prevents it."""
        job = TagJob(asyncio.get_running_loop().create_future(), tagger, video, selection, _deadline_s())
        self._enqueue(job)
        result = await job.done
        if isinstance(result, Failure):
            raise result.error
        return result

    async def selection(self, tagger: Tagger, options: TaggingOptions) -> SelectConfig:
        """The tagger's selection for a caller's options; raises what `Tagger.selection` raises.

        Searching for the confidence that reaches a precision takes too long for the event loop, and a client could ask
        for another precision with every call, so it runs in the model thread.
        """
        select = partial(tagger.selection, options.max_tags, options.precision, options.min_confidence)
        return select() if options.precision is None else await self.run(select)

    async def run(self, function: Callable[[], T]) -> T:
        """Run another function of the models in its turn; return or raise what it does."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._enqueue(RunJob(future, function, _deadline_s()))
        return await future

    async def close(self) -> None:
        """Stop after the running batch; callers that wait get CancelledError."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for job in self._waiting:
            job.done.cancel()
        self._thread.shutdown()

    def _enqueue(self, job: TagJob | RunJob) -> None:
        self._waiting.append(job)
        self._arrived.set()

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            while self._waiting and self._waiting[0].done.done():
                self._waiting.popleft()
            if not self._waiting:
                self._arrived.clear()
            elif isinstance(first := self._waiting.popleft(), RunJob):
                await self._execute([first], partial(_run, first))
            else:
                batch = self._batch_with(first)
                await self._execute(batch, partial(_tag, batch))

    def _batch_with(self, first: TagJob) -> list[TagJob]:
        """The first job and those that can run with it: the videos of the same tagger that follow it in the queue."""
        batch, media = [first], int(_has_media(first))
        while self._waiting:
            job = self._waiting[0]
            if not job.done.done():
                if isinstance(job, RunJob) or job.tagger is not first.tagger:
                    break
                if len(batch) == TEXTS_AT_ONCE or media + _has_media(job) > MEDIA_PER_BATCH:
                    break
                batch.append(job)
                media += _has_media(job)
            self._waiting.popleft()
        return batch

    async def _execute(self, jobs: Sequence[TagJob | RunJob], work: Callable[[], Sequence[Any]]) -> None:
        """Run a batch in the thread and give each job its result, or the exception, to raise where it is awaited."""
        context = _context_of(jobs)
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._thread, context.run, work)
        except asyncio.CancelledError:
            for job in jobs:
                job.done.cancel()
            raise
        for job, result in zip(jobs, results, strict=True):
            if job.done.done():  # the caller is gone
                continue
            if isinstance(result, Exception):
                job.done.set_exception(result)
            else:
                job.done.set_result(result)


def _deadline_s() -> float | None:
    left_s = concurrency.time_left_s()
    return None if left_s is None else time.monotonic() + left_s


def _context_of(jobs: Sequence[TagJob | RunJob]) -> Context:
    """A context with the latest deadline of the jobs and a cancellation that happens when no caller is left."""
    deadlines = [job.deadline_s for job in jobs if job.deadline_s is not None]
    time_left_s = max(deadlines) - time.monotonic() if len(deadlines) == len(jobs) else None
    cancellation = concurrency.Cancellation()

    def cancel_unwanted(_: "asyncio.Future[Any]") -> None:
        if all(job.done.done() for job in jobs):
            cancellation.cancel()

    for job in jobs:
        job.done.add_done_callback(cancel_unwanted)
    context = copy_context()
    context.run(concurrency.set_deadline, time_left_s)
    context.run(concurrency.set_cancellation, cancellation)
    return context


def _has_media(job: TagJob) -> bool:
    return job.video.media is not None


def _run(job: RunJob) -> list[Any]:
    try:
        return [job.function()]
    except Exception as error:
        return [error]


def _tag(batch: Sequence[TagJob]) -> list[Result]:
    try:
        return list(batch[0].tagger.tag_read([job.video for job in batch], [job.selection for job in batch]))
    except (BackendUnavailableError, DeadlineExceededError) as error:  # none of the videos is to blame
        return [error for _ in batch]
    except Exception as error:
        if len(batch) == 1:
            return [error]
        return [result for job in batch for result in _tag([job])]  # a bad video fails alone
