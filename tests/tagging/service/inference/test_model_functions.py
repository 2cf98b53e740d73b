"""Functions in the model threads: edits next to the encoders, explanations alone, and their pauses."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tagging import concurrency
from tagging.errors import DeadlineExceededError
from tagging.service.inference.model_threads import ModelThreads
from tagging.types import RankedTags
from tests.support.model_threads import HeldMedia, StagedTagger, StageName, calls_of, happened
from tests.support.polling import wait_until_async

pytestmark = pytest.mark.anyio


async def test_an_edit_and_the_texts_behind_it_do_not_wait_for_media_in_the_encoders() -> None:
    held = HeldMedia()
    model, tagger = ModelThreads(), StagedTagger(held)
    clips = calls_of(model, tagger, "A")
    await happened(held.encoding)
    clips += calls_of(model, tagger, "B")
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        assert await model.edit(lambda: "edited") == "edited"
        await asyncio.gather(*calls_of(model, tagger, "c"))
    held.release.set()
    await asyncio.gather(*clips)
    assert tagger.videos("score") == ["c", "A", "B"]
    await model.close()


async def test_an_edit_waits_for_the_batch_in_recall_and_rank_and_the_next_one_for_the_edit() -> None:
    scoring, release = threading.Event(), threading.Event()
    editing, encoded = threading.Event(), threading.Event()

    def hold(stage: StageName, video_ids: list[str]) -> None:
        if (stage, video_ids) == ("score", ["a"]):
            scoring.set()
            assert release.wait(60)
        if (stage, video_ids) == ("encode", ["b"]):
            encoded.set()

    def edit() -> list[str]:
        editing.set()
        assert encoded.wait(60)
        return tagger.videos("score")

    model, tagger = ModelThreads(), StagedTagger(hold)
    calls = calls_of(model, tagger, "a")
    await happened(scoring)
    seen = asyncio.create_task(model.edit(edit))
    await asyncio.sleep(0.01)
    assert not editing.is_set()
    release.set()
    await happened(editing)
    calls += calls_of(model, tagger, "b")
    assert await seen == ["a"]
    await asyncio.gather(*calls)
    assert tagger.videos("score") == ["a", "b"]
    await model.close()


async def test_texts_and_edits_overtake_an_explanation_that_waits_for_media_and_media_do_not() -> None:
    held = HeldMedia()
    model, tagger = ModelThreads(), StagedTagger(held)
    clips = calls_of(model, tagger, "A")
    await happened(held.encoding)
    clips += calls_of(model, tagger, "B")
    await asyncio.sleep(0)
    seen = asyncio.create_task(model.run_with_pauses(lambda _: tagger.videos("score")))
    clips += calls_of(model, tagger, "C")
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await asyncio.gather(*calls_of(model, tagger, "d"))
        assert await model.edit(lambda: "edited") == "edited"
    held.release.set()
    assert await seen == ["d", "A", "B"]
    await asyncio.gather(*clips)
    assert tagger.videos("score") == ["d", "A", "B", "C"]
    await model.close()


async def test_texts_do_not_overtake_an_explanation_that_waits_for_texts() -> None:
    scoring, release = threading.Event(), threading.Event()

    def hold(stage: StageName, video_ids: list[str]) -> None:
        if (stage, video_ids) == ("score", ["a"]):
            scoring.set()
            assert release.wait(60)

    model, tagger = ModelThreads(), StagedTagger(hold)
    calls = calls_of(model, tagger, "a")
    await happened(scoring)
    seen = asyncio.create_task(model.run_with_pauses(lambda _: tagger.videos("encode")))
    await asyncio.sleep(0)
    calls += calls_of(model, tagger, "b")
    await asyncio.sleep(0.01)
    release.set()
    assert await seen == ["a"]  # or it would never begin under load
    await asyncio.gather(*calls)
    await model.close()


async def test_an_explanation_is_alone_in_the_models() -> None:
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
    seen = asyncio.create_task(model.run_with_pauses(lambda _: (inside, tagger.videos("encode"))))
    calls += calls_of(model, tagger, "b")
    await asyncio.sleep(0.01)
    release.set()
    assert await seen == (0, ["a"])
    await asyncio.gather(*calls)
    assert tagger.videos("score") == ["a", "b"]
    await model.close()


class Steps:
    """A long job of which a test makes every step."""

    def __init__(self) -> None:
        self._steps, self.began = threading.Semaphore(0), threading.Event()
        self.done = 0
        self.is_paused = False

    def step(self) -> None:
        self._steps.release()

    def __call__(self, pause: Callable[[], None]) -> str:
        self.began.set()
        while self.done < 3:
            assert self._steps.acquire(timeout=60)
            self.is_paused = True
            pause()
            self.is_paused = False
            self.done += 1
        return "explained"


async def began(steps: Steps) -> None:
    await happened(steps.began)


async def test_videos_are_tagged_while_a_long_job_pauses() -> None:
    paused: set[bool] = set()
    tagger = StagedTagger(lambda stage, ids: paused.add(steps.is_paused))
    model, steps = ModelThreads(), Steps()
    long_job = asyncio.create_task(model.run_with_pauses(steps))
    await began(steps)
    for number in range(3):
        calls = calls_of(model, tagger, "ab")
        other = asyncio.create_task(model.edit(lambda: "edited"))
        await asyncio.sleep(0)
        assert not long_job.done()
        steps.step()
        await asyncio.gather(*calls)
        assert await other == "edited"
        assert len(tagger.videos("score")) == 2 * (number + 1)
    assert await long_job == "explained"
    assert paused == {True}  # so the two are never in the models at once
    await model.close()


async def paused_for_a_clip(
    model: ModelThreads, tagger: StagedTagger, steps: Steps, held: HeldMedia
) -> tuple[asyncio.Task[str], list[asyncio.Task[RankedTags]]]:
    """Return a long job that pauses while a clip, the other job, is encoded."""
    long_job = asyncio.create_task(model.run_with_pauses(steps))
    await began(steps)
    clips = calls_of(model, tagger, "A")
    await asyncio.sleep(0)
    steps.step()
    await happened(held.encoding)
    return long_job, clips


async def test_a_title_does_not_wait_for_a_clip_while_a_long_job_pauses() -> None:
    held = HeldMedia()
    model, tagger, steps = ModelThreads(), StagedTagger(held), Steps()
    long_job, clips = await paused_for_a_clip(model, tagger, steps, held)
    clips += calls_of(model, tagger, "B")
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await asyncio.gather(*calls_of(model, tagger, "c"))
    assert steps.is_paused
    held.release.set()
    await clips[0]
    await wait_until_async(lambda: steps.done == 1)
    assert tagger.videos("score") == ["c", "A"]  # B comes in the next pause
    steps.step()
    await clips[1]
    steps.step()
    assert await long_job == "explained"
    await model.close()


async def test_a_long_job_that_pauses_continues_before_another_begins() -> None:
    model, tagger, steps = ModelThreads(), StagedTagger(), Steps()
    long_job = asyncio.create_task(model.run_with_pauses(steps))
    await began(steps)
    calls = calls_of(model, tagger, "a")
    other = asyncio.create_task(model.run_with_pauses(lambda _: steps.done))
    await asyncio.sleep(0)
    calls += calls_of(model, tagger, "b")
    await asyncio.sleep(0)
    steps.step()
    await asyncio.gather(*calls)
    for _ in range(2):
        steps.step()
    assert await other == 3
    assert await long_job == "explained"
    await model.close()


async def test_a_pause_runs_only_what_waited_when_it_began() -> None:
    model, steps = ModelThreads(), Steps()
    loop, ran = asyncio.get_running_loop(), 0

    def ask_again() -> None:
        nonlocal ran
        ran += 1
        if not steps.done:
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(60)
            loop.call_soon_threadsafe(lambda: jobs.append(asyncio.create_task(model.edit(ask_again))))

    long_job = asyncio.create_task(model.run_with_pauses(steps))
    await began(steps)
    jobs = [asyncio.create_task(model.edit(ask_again))]
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
    assert await model.edit(lambda: "next") == "next"
    assert steps.done == 0
    await model.close()


async def test_a_long_job_ends_during_a_pause_when_its_caller_is_gone() -> None:
    held = HeldMedia()
    model, tagger, steps = ModelThreads(), StagedTagger(held), Steps()
    long_job, clips = await paused_for_a_clip(model, tagger, steps, held)
    long_job.cancel()
    await asyncio.gather(long_job, return_exceptions=True)
    later = asyncio.create_task(model.run_with_pauses(lambda _: tagger.videos("score")))
    held.release.set()
    assert await later == ["A"]
    await asyncio.gather(*clips)
    assert steps.done == 0
    await model.close()


async def test_threads_that_are_closed_during_a_pause_end_the_long_job() -> None:
    held = HeldMedia()
    model, tagger, steps = ModelThreads(), StagedTagger(held), Steps()
    calls: list[asyncio.Task[Any]] = [asyncio.create_task(model.run_with_pauses(steps))]
    await began(steps)
    calls += calls_of(model, tagger, "A")
    await asyncio.sleep(0)
    steps.step()
    await happened(held.encoding)
    threading.Timer(0.1, held.release.set).start()
    await model.close()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in found] == [asyncio.CancelledError] * 2
    assert steps.done == 0


async def test_a_thread_that_is_closed_during_a_long_job_ends_it_at_the_pause() -> None:
    model, tagger, steps = ModelThreads(), StagedTagger(), Steps()
    calls: list[asyncio.Task[Any]] = [asyncio.create_task(model.run_with_pauses(steps))]
    await began(steps)
    calls += calls_of(model, tagger, "abc")
    await asyncio.sleep(0)
    # Close first cancels the callers, then waits until the job has ended.
    threading.Timer(0.1, steps.step).start()
    await model.close()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in found] == [asyncio.CancelledError] * 4
    assert steps.done == 0
