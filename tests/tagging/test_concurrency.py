"""Tasks that continue after their caller is cancelled, and tasks that end when their result is not needed."""

import asyncio
import gc

import pytest

from tagging.concurrency import BackgroundTasks, eager, lazy

pytestmark = pytest.mark.anyio


async def test_the_caller_gets_the_result_or_the_exception() -> None:
    async def half(number: int) -> int:
        if number % 2:
            raise ValueError(number)
        return number // 2

    assert await BackgroundTasks().run(half(4)) == 2
    with pytest.raises(ValueError, match="3"):
        await BackgroundTasks().run(half(3))


async def test_a_task_continues_when_its_caller_is_cancelled_and_is_awaited_at_exit() -> None:
    background, release, done = BackgroundTasks(), asyncio.Event(), list[str]()

    async def work() -> None:
        await release.wait()
        done.append("done")

    caller = asyncio.create_task(background.run(work()))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    waiting = asyncio.create_task(background.wait_all())
    await asyncio.sleep(0)
    assert not waiting.done()
    assert not done
    release.set()
    await waiting
    assert done == ["done"]


async def test_the_error_of_an_abandoned_task_is_not_reported_as_unretrieved() -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    background, release = BackgroundTasks(), asyncio.Event()

    async def work() -> None:
        await release.wait()
        raise ValueError("unheard")

    caller = asyncio.create_task(background.run(work()))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    release.set()
    await background.wait_all()
    assert reported == []


async def test_tasks_that_exceed_the_time_limit_are_cancelled() -> None:
    background, ended = BackgroundTasks(), list[str]()

    async def work(name: str, seconds: float) -> None:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            ended.append(f"{name} was cancelled")
            raise
        ended.append(name)

    background.start(work("short", 0.01))
    background.start(work("endless", 3600))
    await background.wait_all(0.5)
    assert ended == ["short", "endless was cancelled"]


class Work:
    """A coroutine function that waits for its release and returns 7; records what has happened."""

    def __init__(self, release: bool = False) -> None:
        self.release, self.events = asyncio.Event(), list[str]()
        if release:
            self.release.set()

    async def __call__(self) -> int:
        self.events.append("begun")
        try:
            await self.release.wait()
        except asyncio.CancelledError:
            self.events.append("cancelled")
            raise
        return 7


async def test_eager_work_begins_at_once_and_ends_if_its_result_is_not_needed() -> None:
    work = Work()
    async with eager(work) as result:
        await asyncio.sleep(0)
        assert work.events == ["begun"]
        work.release.set()
        assert await result == 7
    unneeded = Work()
    async with eager(unneeded):
        await asyncio.sleep(0)
    assert unneeded.events == ["begun", "cancelled"]


async def test_eager_work_that_fails_raises_where_it_is_awaited_only(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("it fails")

    async with eager(fail):
        await asyncio.sleep(0)
    gc.collect()
    assert not caplog.records  # asyncio logs an exception that was never retrieved
    with pytest.raises(ValueError, match="it fails"):
        async with eager(fail) as result:
            await result


async def test_lazy_work_begins_when_it_is_awaited() -> None:
    work = Work(release=True)
    async with lazy(work) as result:
        await asyncio.sleep(0)
        assert not work.events
        assert await result == 7
    unneeded = Work()
    async with lazy(unneeded):
        await asyncio.sleep(0)
    assert not unneeded.events
