"""Model thread: dynamic batching of videos for the one thread in which a bundle's models run.

Within a batch, encoders, recall and rank run one after another; libraries bring their own threads below. A batch is
made of what arrived while the one before it ran, so a single video does not wait for others. Jobs whose callers are
gone are skipped. A running batch has the latest deadline of its callers, and is cancelled when all of them are gone:
that ends its requests to other servers.

A long job pauses between its steps: the jobs that wait then run first, in the same thread, so that no two jobs are ever
in the models at once.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from functools import partial
from typing import Any, TypeVar

from tagging import concurrency
from tagging.config.root import SelectConfig
from tagging.errors import DeadlineExceededError
from tagging.media.read_ahead import Failure, ReadVideo
from tagging.pipeline.tagger import Tagger
from tagging.service.inference.batches import Batch, RunJob, TagJob, next_batch, run_batch
from tagging.service.inference.pauses import Pause
from tagging.store.database.taggings import TaggingOptions
from tagging.types import RankedTags

T = TypeVar("T")


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

    async def run_with_pauses(self, function: Callable[[Pause], T]) -> T:
        """Run a long function of the models in its turn; return or raise what it does.

        function: gets the pause, which it calls wherever other jobs may run before it continues. The pause raises
            DeadlineExceededError when the caller's deadline has passed or the caller is gone.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        deadline_s = _deadline_s()

        def pause() -> None:
            if future.done() or (deadline_s is not None and time.monotonic() >= deadline_s):
                raise DeadlineExceededError("the deadline passed during the work", "give more time, or ask for less")
            self._run_waiting(loop)

        self._enqueue(RunJob(future, partial(function, pause), deadline_s))
        return await future

    async def close(self) -> None:
        """Stop after the running batch; callers that wait get CancelledError."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown()  # first: a paused job takes others from the queue
        for job in self._waiting:
            job.done.cancel()

    def _enqueue(self, job: TagJob | RunJob) -> None:
        self._waiting.append(job)
        self._arrived.set()

    async def _work(self) -> None:
        while True:
            await self._arrived.wait()
            batch = next_batch(self._waiting)
            if batch:
                await self._execute(batch)
            else:
                self._arrived.clear()

    async def _execute(self, batch: Batch) -> None:
        """Run a batch in the thread and give each job its result, or the exception, to raise where it is awaited."""
        loop = asyncio.get_running_loop()
        context, cancel_unwanted = _context_of(batch)
        _when_done(batch, cancel_unwanted)
        try:
            results = await loop.run_in_executor(self._thread, context.run, run_batch, batch)
        except asyncio.CancelledError:
            for job in batch:
                job.done.cancel()
            raise
        _deliver(batch, results)

    def _run_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run the jobs that wait at this moment. Called in the thread during a job: the loop only appends meanwhile.

        Later jobs wait for the next pause, or the paused job would never end under load.
        """
        waiting = deque(self._waiting.popleft() for _ in range(len(self._waiting)))
        while batch := next_batch(waiting):
            context, cancel_unwanted = _context_of(batch)
            loop.call_soon_threadsafe(_when_done, batch, cancel_unwanted)
            results = context.run(run_batch, batch)
            loop.call_soon_threadsafe(_deliver, batch, results)


def _deliver(batch: Batch, results: Sequence[Any]) -> None:
    for job, result in zip(batch, results, strict=True):
        if job.done.done():  # the caller is gone
            continue
        if isinstance(result, Exception):
            job.done.set_exception(result)
        else:
            job.done.set_result(result)


def _deadline_s() -> float | None:
    left_s = concurrency.time_left_s()
    return None if left_s is None else time.monotonic() + left_s


def _context_of(batch: Batch) -> tuple[Context, Callable[["asyncio.Future[Any]"], None]]:
    """A context with the latest deadline of the jobs and a cancellation, and the callback of their futures that
    cancels it when no caller is left.
    """
    deadlines = [job.deadline_s for job in batch if job.deadline_s is not None]
    time_left_s = max(deadlines) - time.monotonic() if len(deadlines) == len(batch) else None
    cancellation = concurrency.Cancellation()

    def cancel_unwanted(_: "asyncio.Future[Any]") -> None:
        if all(job.done.done() for job in batch):
            cancellation.cancel()

    context = copy_context()
    context.run(concurrency.set_deadline, time_left_s)
    context.run(concurrency.set_cancellation, cancellation)
    return context, cancel_unwanted


def _when_done(batch: Batch, callback: Callable[["asyncio.Future[Any]"], None]) -> None:
    for job in batch:
        job.done.add_done_callback(callback)
