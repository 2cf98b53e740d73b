"""Model threads: dynamic batching of videos for the threads in which a bundle's models run.

A thread carries a batch through both stages, encoders and then recall and rank. Texts and media have encoders of their
own, so three batches are in progress: one of texts and one with media in the encoders, and one in recall and rank. A
title therefore does not wait for clips, which take seconds. Libraries bring their own threads below. A batch is made of
what arrived until its encoders became free, so a single video does not wait for others. Jobs whose callers are gone are
skipped. A running batch has the latest deadline of its callers, and is cancelled when all of them are gone: that ends
its requests to other servers.

An edit of recall and rank takes the place of a batch in these two stages, next to the encoders. An explanation runs
alone: after the jobs before it, and before those after it. It pauses between its steps: then it goes behind the jobs
that wait, and its thread uses no model until its turn comes again. Texts and edits do not wait for the clips that an
explanation waits for.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context, copy_context
from functools import partial
from typing import Any, TypeVar

from tagging import concurrency
from tagging.concurrency import started_threads
from tagging.config.root import SelectConfig
from tagging.errors import DeadlineExceededError
from tagging.media.read_ahead import Failure, ReadVideo
from tagging.pipeline.models import EncodedVideo
from tagging.pipeline.tagger import Tagger
from tagging.service.inference.batches import AloneJob, EditJob, EncodeJob, Inputs, Job, TagJob, next_batch
from tagging.service.inference.pauses import Pause
from tagging.service.inference.raisable import raisable
from tagging.service.inference.tagging_batch import tag_batch
from tagging.store.database.taggings import TaggingOptions
from tagging.types import RankedTags

T = TypeVar("T")


class ModelThreads:
    """Runs jobs in their order of arrival. Belongs to one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()  # of no call, as a batch has several
        self._threads = started_threads(5, "model")  # for three batches, an edit, and an explanation that pauses
        self._selecting = started_threads(1, "selection")
        self._scoring = threading.Lock()  # held by the thread of the batch that is recalled and ranked, or of an edit
        self._waiting: deque[Job] = deque()
        self._encoding: dict[Inputs, Sequence[EncodeJob]] = {}  # the batch in the encoders of these inputs
        self._running: set[Job] = set()
        self._paused: dict[Job, threading.Event] = {}  # is set when the turn of the job comes again

    async def tag(self, tagger: Tagger, video: ReadVideo, selection: SelectConfig) -> RankedTags:
        """Tag a video; raises the VideotagError that prevents it."""
        done: asyncio.Future[RankedTags | Failure] = self._loop.create_future()
        self._enqueue(TagJob(done, _deadline_s(), tagger, video, selection))
        result = await done
        if isinstance(result, Failure):
            raise result.error
        return result

    async def encode(self, tagger: Tagger, video: ReadVideo) -> EncodedVideo:
        """Encode a video, in a batch with videos to tag; raise what prevents it."""
        done: asyncio.Future[EncodedVideo] = self._loop.create_future()
        self._enqueue(EncodeJob(done, _deadline_s(), tagger, video))
        return await done

    async def selection(self, tagger: Tagger, options: TaggingOptions) -> SelectConfig:
        """The tagger's selection for a caller's options; raises what `Tagger.selection` raises.

        Searching for the confidence that reaches a precision takes too long for the event loop, and a client could ask
        for another precision with every call, so it runs in one thread. It uses no model.
        """
        select = partial(tagger.selection, options.max_tags, options.precision, options.min_confidence)
        if options.precision is None:
            return select()
        return await self._loop.run_in_executor(self._selecting, select)

    async def edit(self, function: Callable[[], T]) -> T:
        """Run a function that changes recall and rank, while no video is in them; return or raise what it does."""
        done: asyncio.Future[T] = self._loop.create_future()
        self._enqueue(EditJob(done, _deadline_s(), function))
        return await done

    async def run_with_pauses(self, function: Callable[[Pause], T]) -> T:
        """Run a long function of the models alone, in its turn; return or raise what it does.

        function: gets the pause, which it calls wherever other jobs may run before it continues. The pause raises
            DeadlineExceededError when the caller's deadline has passed or the caller is gone.
        """
        future: asyncio.Future[T] = self._loop.create_future()
        deadline_s = _deadline_s()
        turn = threading.Event()
        future.add_done_callback(lambda _: turn.set())  # a caller that is gone waits for no turn

        def check() -> None:
            if future.done() or (deadline_s is not None and time.monotonic() >= deadline_s):
                raise DeadlineExceededError("the deadline passed during the work", "give more time, or ask for less")

        def pause() -> None:
            turn.clear()  # before the check, or the end of a caller that is gone after it would be lost
            check()
            if self._waiting:
                self._loop.call_soon_threadsafe(self._pause, job, turn)
                turn.wait()
                check()

        job = AloneJob(future, deadline_s, partial(function, pause))
        self._enqueue(job)
        return await future

    async def close(self) -> None:
        """Stop after the running batches; callers that wait get CancelledError."""
        for job in [*self._running, *self._waiting]:
            job.done.cancel()
        await asyncio.sleep(0)  # a step of the loop, in which the callbacks of the jobs cancel the running batches
        await self._loop.run_in_executor(self._selecting, self._threads.shutdown)  # the loop refuses calls meanwhile
        self._selecting.shutdown()

    def _enqueue(self, job: Job) -> None:
        self._waiting.append(job)
        self._loop.call_soon(self._start_waiting)  # not at once: calls that arrive together share a batch

    def _start_waiting(self) -> None:
        """Start everything that can run now."""
        while (batch := next_batch(self._waiting, self._encoding, self._running)) is not None:
            if isinstance(batch, AloneJob) and batch in self._paused:
                self._running.add(batch)
                self._paused.pop(batch).set()
            elif isinstance(batch, AloneJob):
                self._start([batch], partial(_call, batch))
            elif isinstance(batch, EditJob):
                self._start([batch], partial(self._edit, batch))
            else:
                self._encoding[batch[0].inputs] = batch
                self._start(batch, partial(self._tag, batch))

    def _start(self, jobs: Sequence[Job], work: Callable[[], Sequence[Any]]) -> None:
        """Run the work in a thread and give each job its result, or the exception, to raise where it is awaited."""
        self._running.update(jobs)
        context, cancel_unwanted = self._context_of(jobs)
        _when_done(jobs, cancel_unwanted)

        def run() -> None:
            results = context.run(_results, jobs, work)
            self._loop.call_soon_threadsafe(self._end, jobs, results)

        self._threads.submit(run)

    def _pause(self, job: AloneJob, turn: threading.Event) -> None:
        """Let the videos and edits that wait at this moment come before a job that runs alone.

        Later ones come after it, or the paused job would never end under load.
        """
        self._running.discard(job)
        self._paused[job] = turn
        alone = [other for other in self._waiting if isinstance(other, AloneJob)]
        for other in alone:
            self._waiting.remove(other)
        self._waiting += [job, *alone]
        self._start_waiting()

    def _end(self, jobs: Sequence[Job], results: Sequence[Any]) -> None:
        self._running.difference_update(jobs)
        for job in jobs:
            self._paused.pop(job, None)
        _deliver(jobs, results)
        self._start_waiting()

    def _edit(self, job: EditJob) -> list[Any]:
        """Called in a thread."""
        with self._scoring:
            return _call(job)

    def _tag(self, batch: Sequence[EncodeJob]) -> Sequence[Any]:
        """Tag a batch whose encoders are in use until it is recalled and ranked, or has failed. Called in a thread."""

        @contextmanager
        def scoring() -> Iterator[None]:
            with self._scoring:
                self._free_encoders(batch)
                yield

        try:
            return tag_batch(batch, scoring())
        finally:
            self._free_encoders(batch)

    def _free_encoders(self, batch: Sequence[EncodeJob]) -> None:
        """Let the next batch into the encoders, unless it has them already. Called in a thread.

        A job that arrives is put into the queue before the loop looks at the encoders, and here it is the other way
        round, so that one of the two starts it.
        """
        inputs = batch[0].inputs
        if self._encoding.get(inputs) is batch:
            del self._encoding[inputs]
            if self._waiting:
                self._loop.call_soon_threadsafe(self._start_waiting)

    def _context_of(self, jobs: Sequence[Job]) -> tuple[Context, Callable[["asyncio.Future[Any]"], None]]:
        """A context with the latest deadline of the jobs and a cancellation, and the callback of their futures that
        cancels it when no caller is left.
        """
        deadlines = [job.deadline_s for job in jobs if job.deadline_s is not None]
        time_left_s = max(deadlines) - time.monotonic() if len(deadlines) == len(jobs) else None
        cancellation = concurrency.Cancellation()

        def cancel_unwanted(_: "asyncio.Future[Any]") -> None:
            if all(job.done.done() for job in jobs):
                cancellation.cancel()

        context = self._context.copy()
        context.run(concurrency.set_deadline, time_left_s)
        context.run(concurrency.set_cancellation, cancellation)
        return context, cancel_unwanted


def _call(job: EditJob | AloneJob) -> list[Any]:
    return [job.function()]


def _results(jobs: Sequence[Job], work: Callable[[], Sequence[Any]]) -> Sequence[Any]:
    """Return the results of the work, or its error for each job: a job without a result would wait for ever."""
    try:
        return work()
    except BaseException as error:
        return [raisable(error)] * len(jobs)


def _deliver(jobs: Sequence[Job], results: Sequence[Any]) -> None:
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


def _when_done(jobs: Sequence[Job], callback: Callable[["asyncio.Future[Any]"], None]) -> None:
    for job in jobs:
        job.done.add_done_callback(callback)
