"""Tasks that continue after their caller is cancelled, tasks that end when unwanted, and pools of started threads."""

import asyncio
import gc
import threading

import pytest

from tagging.concurrency import BackgroundTasks, eager, lazy, started_threads

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
        assert work.events == ["begun"]
        work.release.set()
        assert await result == 7
    unneeded = Work()
    async with eager(unneeded):
        pass
    assert unneeded.events == ["begun", "cancelled"]


async def test_eager_work_that_fails_raises_where_it_is_awaited_only(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("it fails")

    async with eager(fail):
        pass
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


def test_all_threads_of_a_pool_have_been_started_before_it_gets_work(monkeypatch: pytest.MonkeyPatch) -> None:
    began = list[str]()
    with started_threads(3, "worker", lambda: began.append(threading.current_thread().name)) as pool:
        assert sorted(began) == ["worker_0", "worker_1", "worker_2"]
        monkeypatch.setattr(threading.Thread, "start", refuse)
        together = threading.Barrier(3)
        for future in [pool.submit(together.wait) for _ in range(3)]:
            future.result(60)


def test_a_pool_whose_threads_the_system_refuses_is_an_error_and_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    start, before = threading.Thread.start, threading.active_count()

    def refuse_the_third(thread: threading.Thread) -> None:
        if thread.name == "worker_2":
            refuse(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_the_third)
    with pytest.raises(RuntimeError, match="new thread"):
        started_threads(3, "worker")
    assert threading.active_count() == before


def refuse(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")
