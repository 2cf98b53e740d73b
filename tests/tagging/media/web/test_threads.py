import asyncio
import threading

import pytest

from tagging.media.web.threads import run_in_thread


def test_results_and_exceptions_reach_the_waiting_task() -> None:
    assert asyncio.run(run_in_thread(lambda: 7)) == 7
    with pytest.raises(ZeroDivisionError):
        asyncio.run(run_in_thread(lambda: 1 // 0))


@pytest.mark.parametrize("fails", [False, True])
def test_a_cancelled_task_resumes_only_after_its_work_has_ended(fails: bool) -> None:
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(60)
        ended.set()
        if fails:
            raise OSError("raised after the cancellation")

    async def cancel() -> None:
        task = asyncio.ensure_future(run_in_thread(work))
        await asyncio.to_thread(begun.wait)
        for _ in range(3):  # repeated cancellation has no effect either
            task.cancel()
            await asyncio.sleep(0.01)
            assert not task.done()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    asyncio.run(cancel())


def test_slow_name_resolution_does_not_delay_files() -> None:
    async def both() -> None:
        go = threading.Event()
        lookups = [asyncio.ensure_future(asyncio.to_thread(go.wait, 60)) for _ in range(100)]  # as getaddrinfo blocks
        await asyncio.sleep(0)
        assert await run_in_thread(lambda: "a file") == "a file"
        assert not any(lookup.done() for lookup in lookups)
        go.set()
        await asyncio.gather(*lookups)

    asyncio.run(both())
