"""Failures in the model threads: bad videos, errors that no coroutine can raise, servers that are away."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from functools import partial

import pytest

from tagging.errors import BackendUnavailableError, InvalidMediaError
from tagging.media.read_ahead import ReadVideo
from tagging.service.inference.model_threads import ModelThreads
from tagging.types import RankedTags
from tests.support.model_threads import StagedTagger, StageName, call, calls_of, in_each_stage
from tests.support.polling import wait_until_async

pytestmark = pytest.mark.anyio


@in_each_stage
async def test_a_bad_video_fails_alone(stage: StageName) -> None:
    def fail(at: StageName, video_ids: list[str]) -> None:
        if at == stage and "x" in video_ids:
            raise InvalidMediaError("bad")

    model, tagger = ModelThreads(), StagedTagger(fail)
    found = await asyncio.gather(*calls_of(model, tagger, "axb"), return_exceptions=True)
    assert [getattr(answer, "video_id", type(answer)) for answer in found] == ["a", InvalidMediaError, "b"]
    await model.close()


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
        begun.append(asyncio.create_task(model.edit(partial(end_thread, error))))
        assert await long_job == "explained"
        assert isinstance((await asyncio.gather(*begun, return_exceptions=True))[0], Exception)
        with pytest.raises(Exception):  # noqa: B017, PT011 - any that is an Exception
            await model.edit(partial(end_thread, error))
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
