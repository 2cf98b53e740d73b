"""The deadline and the cancellation of calls."""

import asyncio

import pytest

from tagging import concurrency
from tagging.concurrency import BackgroundTasks

pytestmark = pytest.mark.anyio


async def left() -> float | None:
    return concurrency.time_left_s()


async def test_tasks_of_a_call_share_its_deadline_and_other_calls_do_not() -> None:
    async def call(time_left_s: float | None) -> float | None:
        concurrency.set_deadline(time_left_s)
        await asyncio.sleep(0)
        return await asyncio.create_task(left())

    short, endless, late = await asyncio.gather(call(60.0), call(None), call(-1.0))
    assert short is not None
    assert 0 < short <= 60
    assert (endless, late, concurrency.time_left_s()) == (None, 0.0, None)


async def test_background_tasks_have_no_deadline() -> None:
    concurrency.set_deadline(60.0)
    assert await BackgroundTasks().run(left()) is None
    assert concurrency.time_left_s() is not None
    concurrency.set_deadline(None)


def test_cancellation_ends_work_in_progress_and_work_that_begins_later_but_not_finished_work() -> None:
    cancellation, called = concurrency.Cancellation(), list[str]()
    with cancellation.calling(lambda: called.append("finished")):
        pass
    with cancellation.calling(lambda: called.append("running")):
        cancellation.cancel()
    with cancellation.calling(lambda: called.append("late")):
        pass
    assert called == ["running", "late"]
