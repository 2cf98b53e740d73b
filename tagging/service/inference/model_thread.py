"""The one thread in which a bundle's models run: what waits is run together, and what nobody waits for is not.

Encoders, recall and rank are one after the other in each batch; libraries bring their own threads beneath. Batches are
made of what has come meanwhile, so a lone video waits for nobody.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from tagging.config.root import SelectConfig
from tagging.media.read_ahead import Failure, ReadVideo
from tagging.pipeline.tagger import Tagger
from tagging.store.database.taggings import TaggingOptions
from tagging.types import RankedTags

T = TypeVar("T")

MEDIA_AT_ONCE = 4  # videos with media in a batch: their frames are large
TEXTS_AT_ONCE = 32


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """Either a video to tag, or something else to be done in its turn."""

    done: "asyncio.Future[Any]"
    tagger: Tagger | None = None
    video: ReadVideo | None = None
    selection: SelectConfig | None = None
    run: Callable[[], Any] | None = None


@dataclass(slots=True)
class _Batch:
    jobs: list[_Job] = field(default_factory=list)
    media: int = 0

    def takes(self, job: _Job) -> bool:
        """Whether the job can be run with those that are there: videos of one tagger are."""
        if not self.jobs:
            return True
        if job.run is not None or self.jobs[0].run is not None or job.tagger is not self.jobs[0].tagger:
            return False
        return len(self.jobs) < TEXTS_AT_ONCE and self.media + _has_media(job) <= MEDIA_AT_ONCE

    def add(self, job: _Job) -> None:
        self.jobs.append(job)
        self.media += _has_media(job)


class ModelThread:
    """Of one event loop. Jobs are begun in the order in which they came."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "model")
        self._waiting: deque[_Job] = deque()
        self._comes = asyncio.Event()
        self._task = asyncio.create_task(self._work())

    async def tag(self, tagger: Tagger, video: ReadVideo, selection: SelectConfig) -> RankedTags:
        """Raises the VideotagError that keeps the video from being tagged."""
        result = await self._turn(_Job(_future(), tagger, video, selection))
        if isinstance(result, Failure):
            raise result.error
        assert isinstance(result, RankedTags)
        return result

    async def selection(self, tagger: Tagger, asked: TaggingOptions) -> SelectConfig:
        """What a caller wants, as the tagger goes by it; raises as Tagger.selection does.

        Which confidence keeps a precision takes long enough to be looked for here: the event loop would stand still,
        again and again for a client that asks for ever other ones.
        """
        select = partial(tagger.selection, asked.max_tags, asked.precision, asked.min_confidence)
        return select() if asked.precision is None else await self.run(select)

    async def run(self, function: Callable[[], T]) -> T:
        """Something else that the models do."""
        result: T = await self._turn(_Job(_future(), run=function))
        return result

    async def close(self) -> None:
        """Ends after the batch that is running; who waits gets CancelledError."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for job in self._waiting:
            job.done.cancel()
        self._thread.shutdown()

    async def _turn(self, job: _Job) -> Any:
        self._waiting.append(job)
        self._comes.set()
        return await job.done

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._comes.wait()
            batch = self._next_batch()
            if not batch:
                self._comes.clear()
                continue
            try:
                results = await loop.run_in_executor(self._thread, _run, batch)
            except asyncio.CancelledError:
                for job in batch:
                    job.done.cancel()
                raise
            except Exception as error:  # whatever it is, it is raised where the answer is waited for
                results = [error] * len(batch)
            for job, result in zip(batch, results, strict=True):
                if job.done.done():  # nobody waits any more
                    continue
                if isinstance(result, Exception):
                    job.done.set_exception(result)
                else:
                    job.done.set_result(result)

    def _next_batch(self) -> list[_Job]:
        batch = _Batch()
        while self._waiting:
            if self._waiting[0].done.done():
                self._waiting.popleft()
            elif batch.takes(self._waiting[0]):
                batch.add(self._waiting.popleft())
            else:
                break
        return batch.jobs


def _future() -> "asyncio.Future[Any]":
    return asyncio.get_running_loop().create_future()


def _has_media(job: _Job) -> bool:
    return job.video is not None and job.video.media is not None


def _run(batch: Sequence[_Job]) -> list[Any]:
    first = batch[0]
    if first.run is not None:
        return [first.run()]
    assert first.tagger is not None
    videos = [job.video for job in batch if job.video is not None]
    selections = [job.selection for job in batch if job.selection is not None]
    try:
        return list(first.tagger.tag_read(videos, selections))
    except Exception:
        if len(batch) == 1:
            raise
        return [_alone(job) for job in batch]  # one bad video fails itself, and not who came with it


def _alone(job: _Job) -> Any:
    try:
        return _run([job])[0]
    except Exception as error:
        return error
