"""Work that outlives whoever asked for it."""

import asyncio

import pytest

from tagging.concurrency import BackgroundTasks

pytestmark = pytest.mark.anyio


async def test_who_waits_gets_what_the_work_returns_or_raises() -> None:
    async def half(number: int) -> int:
        if number % 2:
            raise ValueError(number)
        return number // 2

    assert await BackgroundTasks().run(half(4)) == 2
    with pytest.raises(ValueError, match="3"):
        await BackgroundTasks().run(half(3))


async def test_work_goes_on_when_its_caller_is_cancelled_and_rest_waits_for_it() -> None:
    background, go_on, done = BackgroundTasks(), asyncio.Event(), list[str]()

    async def work() -> None:
        await go_on.wait()
        done.append("done")

    caller = asyncio.create_task(background.run(work()))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    resting = asyncio.create_task(background.wait_all())
    await asyncio.sleep(0)
    assert not resting.done()
    assert not done
    go_on.set()
    await resting
    assert done == ["done"]


async def test_an_error_that_nobody_waits_for_any_more_is_not_told_as_forgotten() -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    background, go_on = BackgroundTasks(), asyncio.Event()

    async def work() -> None:
        await go_on.wait()
        raise ValueError("nobody hears this")

    caller = asyncio.create_task(background.run(work()))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    go_on.set()
    await background.wait_all()
    assert told == []


async def test_work_that_does_not_end_is_cancelled_when_its_time_is_over() -> None:
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
