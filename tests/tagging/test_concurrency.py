"""Background tasks that continue after their caller is cancelled."""

import asyncio

import pytest

from tagging.concurrency import BackgroundTasks

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
