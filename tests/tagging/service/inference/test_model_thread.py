"""The model thread: which work runs in it, and which does not wait for it."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tagging import concurrency
from tagging.config.root import SelectConfig
from tagging.errors import BackendUnavailableError, DeadlineExceededError, InvalidSelectionError
from tagging.media.read_ahead import ReadVideo
from tagging.service.inference.model_thread import ModelThread
from tagging.store.database.taggings import TaggingOptions
from tagging.types import RankedTags, VideoRef
from tests.support.polling import wait_until_async

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class SelectionRecorder:
    """A tagger that records the threads in which a selection was requested."""

    def __init__(self) -> None:
        self.threads: list[str] = []

    def selection(self, max_tags: int | None, precision: float | None, min_confidence: float | None) -> SelectConfig:
        self.threads.append(threading.current_thread().name)
        if precision == 0.99:
            raise InvalidSelectionError("unknown precision")
        return SelectConfig(max_tags=max_tags or 5, min_confidence=precision or min_confidence or 0.5)


async def test_only_a_precision_is_searched_in_the_model_thread() -> None:
    model, recorder = ModelThread(), SelectionRecorder()
    tagger: Any = recorder
    assert (await model.selection(tagger, TaggingOptions(3, precision=0.9))).max_tags == 3
    assert (await model.selection(tagger, TaggingOptions(min_confidence=0.25))).min_confidence == 0.25
    with pytest.raises(InvalidSelectionError):
        await model.selection(tagger, TaggingOptions(precision=0.99))
    await model.close()
    assert (await model.selection(tagger, TaggingOptions())).max_tags == 5
    assert [name.startswith("model") for name in recorder.threads] == [True, False, True, False]


class Recorder:
    """A tagger that records the deadline of its batches, and waits in them until they are cancelled."""

    def __init__(self) -> None:
        self.deadlines_s: list[float | None] = []
        self.began, self.cancelled = threading.Event(), threading.Event()

    def tag_read(self, videos: Sequence[Any], selections: Sequence[Any]) -> list[Any]:
        cancellation = concurrency.cancellation()
        assert cancellation is not None
        with cancellation.calling(self.cancelled.set):
            self.deadlines_s.append(concurrency.time_left_s())
            self.began.set()
            assert self.cancelled.wait(60)
        raise BackendUnavailableError("away")


def read(video_id: str) -> ReadVideo:
    return ReadVideo(VideoRef(video_id, title="a title"), None)


async def call(model: ModelThread, tagger: Any, time_left_s: float | None) -> None:
    concurrency.set_deadline(time_left_s)
    await model.tag(tagger, read("a"), SelectConfig())


@pytest.mark.parametrize(("left_s", "latest_s"), [((50.0, 500.0), 500.0), ((50.0, None), None)])
async def test_a_batch_has_the_latest_deadline_of_its_callers_and_ends_when_all_are_gone(
    left_s: tuple[float | None, ...], latest_s: float | None
) -> None:
    model, tagger = ModelThread(), Recorder()
    calls = [asyncio.create_task(call(model, tagger, seconds)) for seconds in left_s]
    await asyncio.to_thread(tagger.began.wait, 60)
    calls[0].cancel()
    await asyncio.sleep(0.05)
    assert not tagger.cancelled.is_set()
    calls[1].cancel()
    assert await asyncio.to_thread(tagger.cancelled.wait, 60)
    [deadline_s] = tagger.deadlines_s
    assert (deadline_s is None) == (latest_s is None)
    if deadline_s is not None and latest_s is not None:
        assert latest_s - 50 < deadline_s <= latest_s
    await asyncio.gather(*calls, return_exceptions=True)
    await model.close()


class Unavailable:
    """A tagger whose server is away; counts its batches."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def tag_read(self, videos: Sequence[Any], selections: Sequence[Any]) -> list[Any]:
        self.batches.append(len(videos))
        raise BackendUnavailableError("away")


async def test_a_server_that_is_away_fails_a_batch_once() -> None:
    model, tagger = ModelThread(), Unavailable()
    found = await asyncio.gather(*(call(model, tagger, None) for _ in range(5)), return_exceptions=True)
    assert [type(error) for error in found] == [BackendUnavailableError] * 5
    assert tagger.batches == [5]
    await model.close()


class Counting:
    """A tagger that counts the videos of its batches and the jobs that are in the models at once."""

    def __init__(self) -> None:
        self.videos: list[str] = []
        self.threads: set[str] = set()

    def tag_read(self, videos: Sequence[Any], selections: Sequence[Any]) -> list[Any]:
        self.threads.add(threading.current_thread().name)
        self.videos += [video.video.video_id for video in videos]
        return [RankedTags(video.video.video_id, (), (), (), "b") for video in videos]


class Steps:
    """A long job of which a test makes every step."""

    def __init__(self) -> None:
        self._steps, self.began = threading.Semaphore(0), threading.Event()
        self.done = 0
        self.threads: set[str] = set()

    def step(self) -> None:
        self._steps.release()

    def __call__(self, pause: Callable[[], None]) -> str:
        self.threads.add(threading.current_thread().name)
        self.began.set()
        while self.done < 3:
            assert self._steps.acquire(timeout=60)
            pause()
            self.done += 1
        return "explained"


async def began(steps: Steps) -> None:
    assert await asyncio.to_thread(steps.began.wait, 60)


async def test_videos_are_tagged_while_a_long_job_pauses() -> None:
    model, tagger, steps = ModelThread(), Counting(), Steps()
    long_job = asyncio.create_task(model.run_with_pauses(steps))
    await began(steps)
    for number in range(3):
        calls = [asyncio.create_task(call(model, tagger, None)) for _ in range(2)]
        other = asyncio.create_task(model.run(lambda: "edited"))
        await asyncio.sleep(0)
        assert not long_job.done()
        steps.step()
        await asyncio.gather(*calls)
        assert await other == "edited"
        assert len(tagger.videos) == 2 * (number + 1)
    assert await long_job == "explained"
    assert tagger.threads == steps.threads  # so the two are never in the models at once
    await model.close()


async def test_a_pause_runs_only_what_waited_when_it_began() -> None:
    model, steps = ModelThread(), Steps()
    loop, ran = asyncio.get_running_loop(), 0

    def ask_again() -> None:
        nonlocal ran
        ran += 1
        if not steps.done:
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(60)
            loop.call_soon_threadsafe(lambda: jobs.append(asyncio.create_task(model.run(ask_again))))

    long_job = asyncio.create_task(model.run_with_pauses(steps))
    await began(steps)
    jobs = [asyncio.create_task(model.run(ask_again))]
    await asyncio.sleep(0)
    for _ in range(3):
        steps.step()
    assert await long_job == "explained"
    await wait_until_async(lambda: all(job.done() for job in jobs) and ran == len(jobs))
    await model.close()


async def test_a_long_job_ends_at_a_pause_after_its_deadline() -> None:
    model, steps = ModelThread(), Steps()

    async def explain() -> str:
        concurrency.set_deadline(0.05)
        return await model.run_with_pauses(steps)

    long_job = asyncio.create_task(explain())
    await began(steps)
    await asyncio.sleep(0.1)
    steps.step()
    with pytest.raises(DeadlineExceededError):
        await long_job
    assert steps.done == 0
    await model.close()


async def test_a_long_job_ends_at_a_pause_when_its_caller_is_gone() -> None:
    model, steps = ModelThread(), Steps()
    long_job = asyncio.create_task(model.run_with_pauses(steps))
    await began(steps)
    long_job.cancel()
    await asyncio.gather(long_job, return_exceptions=True)
    steps.step()
    assert await model.run(lambda: "next") == "next"
    assert steps.done == 0
    await model.close()


async def test_a_thread_that_is_closed_during_a_long_job_ends_it_at_the_pause() -> None:
    model, tagger, steps = ModelThread(), Counting(), Steps()
    calls: list[asyncio.Task[Any]] = [asyncio.create_task(model.run_with_pauses(steps))]
    await began(steps)
    calls += [asyncio.create_task(call(model, tagger, None)) for _ in range(3)]
    await asyncio.sleep(0)
    threading.Timer(0.1, steps.step).start()  # close blocks the event loop until the job has ended
    await model.close()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in found] == [asyncio.CancelledError] * 4
    assert steps.done == 0
