"""Callers of the model threads: deadlines, callers that have gone, and the end of the threads."""

import asyncio
import threading
from typing import Any

import pytest

from tagging.service.inference.model_threads import ModelThreads
from tests.support.model_threads import StagedTagger, StageName, Waiting, call, calls_of, happened, in_each_stage

pytestmark = pytest.mark.anyio


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
    calls += [*calls_of(model, tagger, "c"), asyncio.create_task(model.edit(lambda: "edited"))]
    await asyncio.sleep(0)
    await model.close()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in found] == [asyncio.CancelledError] * 4
    assert tagger.batches == [("encode", ["a"]), ("score", ["a"]), ("encode", ["b"])]
