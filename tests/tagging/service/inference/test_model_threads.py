"""The model threads: the stages of batches of texts and of media, functions that run alone, the pauses of long ones."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from functools import partial
from typing import Any, Literal

import numpy as np
import pytest

from tagging import concurrency
from tagging.config.root import SelectConfig
from tagging.errors import BackendUnavailableError, DeadlineExceededError, InvalidMediaError, InvalidSelectionError
from tagging.media.read_ahead import ReadVideo
from tagging.service.inference.model_threads import ModelThreads
from tagging.store.database.taggings import TaggingOptions
from tagging.types import Frames, MediaSample, RankedTags, VideoRef
from tests.support.polling import wait_until_async

pytestmark = pytest.mark.anyio

CLIP = MediaSample("", 1.0, Frames(np.zeros((1, 2, 2, 3), np.uint8), np.zeros(1)), None)
StageName = Literal["encode", "score"]
in_each_stage = pytest.mark.parametrize("stage", ["encode", "score"])


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


async def test_only_a_precision_is_searched_in_another_thread() -> None:
    model, recorder = ModelThreads(), SelectionRecorder()
    tagger: Any = recorder
    assert (await model.selection(tagger, TaggingOptions(3, precision=0.9))).max_tags == 3
    assert (await model.selection(tagger, TaggingOptions(min_confidence=0.25))).min_confidence == 0.25
    with pytest.raises(InvalidSelectionError):
        await model.selection(tagger, TaggingOptions(precision=0.99))
    await model.close()
    assert (await model.selection(tagger, TaggingOptions())).max_tags == 5
    assert [name.startswith("selection") for name in recorder.threads] == [True, False, True, False]


class StagedTagger:
    """A tagger whose stages call a function: with the name of the stage and the ids of its videos."""

    def __init__(self, on_stage: Callable[[StageName, list[str]], None] = lambda stage, ids: None) -> None:
        self._on_stage = on_stage
        self.batches: list[tuple[StageName, list[str]]] = []

    def encode(self, videos: Sequence[ReadVideo]) -> list[str]:
        return self._stage("encode", [video.video.video_id for video in videos])

    def tag_encoded(self, videos: Sequence[str], selections: Sequence[SelectConfig]) -> list[RankedTags]:
        assert len(videos) == len(selections)
        return [RankedTags(video_id, (), (), (), "b") for video_id in self._stage("score", list(videos))]

    def _stage(self, stage: StageName, video_ids: list[str]) -> list[str]:
        self.batches.append((stage, video_ids))
        self._on_stage(stage, video_ids)
        return video_ids

    def videos(self, stage: StageName) -> list[str]:
        return [video_id for found, video_ids in self.batches if found == stage for video_id in video_ids]


async def call(model: ModelThreads, tagger: Any, time_left_s: float | None = None, video_id: str = "a") -> RankedTags:
    """Tag a video, which has media if its id is in upper case."""
    concurrency.set_deadline(time_left_s)
    media = CLIP if video_id.isupper() else None
    return await model.tag(tagger, ReadVideo(VideoRef(video_id, title="a title"), media), SelectConfig())


def calls_of(model: ModelThreads, tagger: Any, video_ids: str) -> list["asyncio.Task[RankedTags]"]:
    return [asyncio.create_task(call(model, tagger, video_id=video_id)) for video_id in video_ids]


async def happened(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 60)


async def test_a_batch_is_encoded_while_the_one_before_it_is_scored() -> None:
    scoring, encoding = threading.Event(), threading.Event()

    def meet(stage: StageName, video_ids: list[str]) -> None:
        if (stage, video_ids) == ("score", ["a"]):
            scoring.set()
            assert encoding.wait(60)
        if (stage, video_ids) == ("encode", ["b"]):
            encoding.set()

    model, tagger = ModelThreads(), StagedTagger(meet)
    first = calls_of(model, tagger, "a")
    await happened(scoring)
    found = await asyncio.gather(*first, *calls_of(model, tagger, "b"))
    assert [answer.video_id for answer in found] == ["a", "b"]
    await model.close()


async def test_a_stage_has_one_batch_at_a_time_and_later_videos_wait_for_the_encoders() -> None:
    scoring, release = threading.Event(), threading.Event()
    second_encoded = threading.Event()

    def hold(stage: StageName, video_ids: list[str]) -> None:
        if (stage, video_ids) == ("score", ["a"]):
            scoring.set()
            assert release.wait(60)
        if (stage, video_ids) == ("encode", ["b"]):
            second_encoded.set()

    model, tagger = ModelThreads(), StagedTagger(hold)
    calls = calls_of(model, tagger, "a")
    await happened(scoring)
    calls += calls_of(model, tagger, "b")
    await happened(second_encoded)
    for video_id in "cde":
        calls += calls_of(model, tagger, video_id)
        await asyncio.sleep(0.01)
    assert tagger.batches == [("encode", ["a"]), ("score", ["a"]), ("encode", ["b"])]
    release.set()
    await asyncio.gather(*calls)
    assert tagger.videos("score") == [*"abcde"]
    assert ("encode", [*"cde"]) in tagger.batches
    await model.close()


class HeldMedia:
    """A tagger's stage that holds the first batch with media in the encoders until it is released."""

    def __init__(self) -> None:
        self.encoding, self.release = threading.Event(), threading.Event()

    def __call__(self, stage: StageName, video_ids: list[str]) -> None:
        if stage == "encode" and video_ids[0].isupper():
            self.encoding.set()
            assert self.release.wait(60)


async def test_texts_are_tagged_while_media_are_in_the_encoders() -> None:
    held = HeldMedia()
    model, tagger = ModelThreads(), StagedTagger(held)
    clip = calls_of(model, tagger, "A")
    await happened(held.encoding)
    for video_id in "bc":
        async with asyncio.timeout(60):
            await asyncio.gather(*calls_of(model, tagger, video_id))
    assert tagger.videos("score") == ["b", "c"]
    held.release.set()
    await asyncio.gather(*clip)
    assert tagger.videos("score") == ["b", "c", "A"]
    await model.close()


async def test_a_batch_has_texts_alone_or_the_media_of_a_few_videos() -> None:
    model, tagger = ModelThreads(), StagedTagger()
    await asyncio.gather(*calls_of(model, tagger, "abCdEFGHij"))
    batches = [video_ids for stage, video_ids in tagger.batches if stage == "encode"]
    assert sorted(batches) == [[*"CEFG"], ["H"], [*"abdij"]]
    await model.close()


async def test_videos_do_not_overtake_another_function_that_waits_for_media() -> None:
    held = HeldMedia()
    model, tagger = ModelThreads(), StagedTagger(held)
    clips = calls_of(model, tagger, "A")
    await happened(held.encoding)
    clips += calls_of(model, tagger, "B")
    await asyncio.sleep(0)
    seen = asyncio.create_task(model.run(lambda: tagger.videos("score")))
    later = calls_of(model, tagger, "c")
    await asyncio.sleep(0.01)
    held.release.set()
    assert await seen == ["A", "B"]
    await asyncio.gather(*clips, *later)
    await model.close()


async def test_another_function_is_alone_in_the_models() -> None:
    scoring, release, inside = threading.Event(), threading.Event(), 0

    def hold(stage: StageName, video_ids: list[str]) -> None:
        nonlocal inside
        inside += 1
        if stage == "score":
            scoring.set()
            assert release.wait(60)
        inside -= 1

    model, tagger = ModelThreads(), StagedTagger(hold)
    calls = calls_of(model, tagger, "a")
    await happened(scoring)
    seen = asyncio.create_task(model.run(lambda: (inside, tagger.videos("encode"))))
    calls += calls_of(model, tagger, "b")
    await asyncio.sleep(0.01)
    release.set()
    assert await seen == (0, ["a"])
    await asyncio.gather(*calls)
    assert tagger.videos("score") == ["a", "b"]
    await model.close()


@in_each_stage
async def test_a_bad_video_fails_alone(stage: StageName) -> None:
    def fail(at: StageName, video_ids: list[str]) -> None:
        if at == stage and "x" in video_ids:
            raise InvalidMediaError("bad")

    model, tagger = ModelThreads(), StagedTagger(fail)
    found = await asyncio.gather(*calls_of(model, tagger, "axb"), return_exceptions=True)
    assert [getattr(answer, "video_id", type(answer)) for answer in found] == ["a", InvalidMediaError, "b"]
    await model.close()


class Waiting:
    """The work of one stage that waits, for one video, until its batch is cancelled; records the batch's deadline."""

    def __init__(self, stage: StageName, video_id: str) -> None:
        self._at = stage, video_id
        self.deadline_s: float | None = None
        self.began, self.cancelled = threading.Event(), threading.Event()

    def __call__(self, stage: StageName, video_ids: list[str]) -> None:
        if self._at[0] == stage and self._at[1] in video_ids:
            cancellation = concurrency.cancellation()
            assert cancellation is not None
            with cancellation.calling(self.cancelled.set):
                self.deadline_s = concurrency.time_left_s()
                self.began.set()
                assert self.cancelled.wait(60)
            raise BackendUnavailableError("away")


@in_each_stage
@pytest.mark.parametrize(("left_s", "latest_s"), [((50.0, 500.0), 500.0), ((50.0, None), None)])
async def test_a_batch_has_the_latest_deadline_of_its_callers_and_ends_when_all_are_gone(
    stage: StageName, left_s: tuple[float | None, ...], latest_s: float | None
) -> None:
    waiting = Waiting(stage, "a")
    model, tagger = ModelThreads(), StagedTagger(waiting)
    calls = [asyncio.create_task(call(model, tagger, seconds)) for seconds in left_s]
    await happened(waiting.began)
    calls[0].cancel()
    await asyncio.sleep(0.05)
    assert not waiting.cancelled.is_set()
    calls[1].cancel()
    await happened(waiting.cancelled)
    assert (waiting.deadline_s is None) == (latest_s is None)
    if waiting.deadline_s is not None and latest_s is not None:
        assert latest_s - 50 < waiting.deadline_s <= latest_s
    await asyncio.gather(*calls, return_exceptions=True)
    await model.close()


async def test_a_video_whose_caller_has_gone_is_not_scored() -> None:
    encoding, release = threading.Event(), threading.Event()

    def hold(stage: StageName, video_ids: list[str]) -> None:
        if stage == "encode":
            encoding.set()
            assert release.wait(60)

    model, tagger = ModelThreads(), StagedTagger(hold)
    gone, stays = calls_of(model, tagger, "ab")
    await happened(encoding)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    release.set()
    assert (await stays).video_id == "b"
    assert tagger.videos("score") == ["b"]
    await model.close()


async def test_closing_ends_the_batches_of_both_stages_and_the_calls_that_wait() -> None:
    scored, encoded = Waiting("score", "a"), Waiting("encode", "b")

    def wait(stage: StageName, video_ids: list[str]) -> None:
        scored(stage, video_ids)
        encoded(stage, video_ids)

    model, tagger = ModelThreads(), StagedTagger(wait)
    calls: list[asyncio.Task[Any]] = [*calls_of(model, tagger, "a")]
    await happened(scored.began)
    calls += calls_of(model, tagger, "b")
    await happened(encoded.began)
    calls += [*calls_of(model, tagger, "c"), asyncio.create_task(model.run(lambda: "edited"))]
    await asyncio.sleep(0)
    await model.close()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in found] == [asyncio.CancelledError] * 4
    assert tagger.batches == [("encode", ["a"]), ("score", ["a"]), ("encode", ["b"])]


class Panic(BaseException):
    """A failure of a library in Rust, which is no Exception."""


def end_thread(error: BaseException) -> None:
    raise error


no_ordinary_error = pytest.mark.parametrize(
    "error", [Panic("odd"), SystemExit(1), StopIteration("odd"), asyncio.CancelledError(), CancelledError()], ids=repr
)


@in_each_stage
@no_ordinary_error
@pytest.mark.parametrize("video_ids", ["axb", "AXB"])
async def test_an_error_that_no_coroutine_can_raise_ends_one_video_and_frees_the_encoders(
    stage: StageName, error: BaseException, video_ids: str
) -> None:
    def fail(at: StageName, found: list[str]) -> None:
        if at == stage and "x" in map(str.lower, found):
            raise error

    model, tagger = ModelThreads(), StagedTagger(fail)
    async with asyncio.timeout(60):
        for _ in range(3):
            found = await asyncio.gather(*calls_of(model, tagger, video_ids), return_exceptions=True)
            assert [isinstance(answer, RankedTags) for answer in found] == [True, False, True]
            assert isinstance(found[1], Exception)
    await model.close()


@no_ordinary_error
async def test_an_error_that_no_coroutine_can_raise_ends_one_function(error: BaseException) -> None:
    model, tagger = ModelThreads(), StagedTagger()

    def fail_in_a_pause(pause: Callable[[], None]) -> str:
        asyncio.run_coroutine_threadsafe(wait_until_async(lambda: len(begun) == 1), loop).result(60)
        pause()
        return "explained"

    loop, begun = asyncio.get_running_loop(), list[asyncio.Task[None]]()
    async with asyncio.timeout(60):
        long_job = asyncio.create_task(model.run_with_pauses(fail_in_a_pause))
        await asyncio.sleep(0.01)
        begun.append(asyncio.create_task(model.run(partial(end_thread, error))))
        assert await long_job == "explained"
        assert isinstance((await asyncio.gather(*begun, return_exceptions=True))[0], Exception)
        with pytest.raises(Exception):  # noqa: B017, PT011 - any that is an Exception
            await model.run(partial(end_thread, error))
        assert (await call(model, tagger)).video_id == "a"
    await model.close()


async def test_a_tagger_that_loses_a_video_fails_its_batch_and_frees_the_encoders() -> None:
    class Losing(StagedTagger):
        def encode(self, videos: Sequence[ReadVideo]) -> list[str]:
            return super().encode(videos)[1:]

    model = ModelThreads()
    async with asyncio.timeout(60):
        for tagger in (Losing(), Losing()):
            found = await asyncio.gather(*calls_of(model, tagger, "ab"), return_exceptions=True)
            assert [type(error) for error in found] == [ValueError] * 2
        assert (await call(model, StagedTagger())).video_id == "a"
    await model.close()


async def test_a_system_without_further_threads_fails_a_batch_and_frees_the_encoders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    model, tagger = ModelThreads(), StagedTagger()
    async with asyncio.timeout(60):
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", start)
            with pytest.raises(RuntimeError, match="new thread"):
                await call(model, tagger)
        assert (await call(model, tagger)).video_id == "a"
    await model.close()


@in_each_stage
async def test_a_server_that_is_away_fails_a_batch_once(stage: StageName) -> None:
    def fail(at: StageName, video_ids: list[str]) -> None:
        if at == stage:
            raise BackendUnavailableError("away")

    model, tagger = ModelThreads(), StagedTagger(fail)
    found = await asyncio.gather(*calls_of(model, tagger, "abcde"), return_exceptions=True)
    assert [type(error) for error in found] == [BackendUnavailableError] * 5
    assert [video_ids for at, video_ids in tagger.batches if at == stage] == [[*"abcde"]]
    await model.close()


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
    await happened(steps.began)


async def test_videos_are_tagged_while_a_long_job_pauses() -> None:
    threads: set[str] = set()
    tagger = StagedTagger(lambda stage, ids: threads.add(threading.current_thread().name))
    model, steps = ModelThreads(), Steps()
    long_job = asyncio.create_task(model.run_with_pauses(steps))
    await began(steps)
    for number in range(3):
        calls = calls_of(model, tagger, "ab")
        other = asyncio.create_task(model.run(lambda: "edited"))
        await asyncio.sleep(0)
        assert not long_job.done()
        steps.step()
        await asyncio.gather(*calls)
        assert await other == "edited"
        assert len(tagger.videos("score")) == 2 * (number + 1)
    assert await long_job == "explained"
    assert threads == steps.threads  # so the two are never in the models at once
    await model.close()


async def test_a_pause_runs_only_what_waited_when_it_began() -> None:
    model, steps = ModelThreads(), Steps()
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
    model, steps = ModelThreads(), Steps()

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
    model, steps = ModelThreads(), Steps()
    long_job = asyncio.create_task(model.run_with_pauses(steps))
    await began(steps)
    long_job.cancel()
    await asyncio.gather(long_job, return_exceptions=True)
    steps.step()
    assert await model.run(lambda: "next") == "next"
    assert steps.done == 0
    await model.close()


async def test_a_thread_that_is_closed_during_a_long_job_ends_it_at_the_pause() -> None:
    model, tagger, steps = ModelThreads(), StagedTagger(), Steps()
    calls: list[asyncio.Task[Any]] = [asyncio.create_task(model.run_with_pauses(steps))]
    await began(steps)
    calls += calls_of(model, tagger, "abc")
    await asyncio.sleep(0)
    # Once close has cancelled the callers, it blocks the event loop until the job has ended.
    vars(model)["_task"].add_done_callback(lambda _: threading.Timer(0.1, steps.step).start())
    await model.close()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in found] == [asyncio.CancelledError] * 4
    assert steps.done == 0
