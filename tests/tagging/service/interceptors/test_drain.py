"""DrainInterceptor: when a service stops, running calls finish and new calls are refused."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest

from tagging.errors import BackendUnavailableError
from tagging.service.errors.status import pushback_ms, status_of
from tagging.service.interceptors.drain import DrainInterceptor
from tagging.service.shutdown import LEAVE_S

pytestmark = pytest.mark.anyio


class Details:
    def __init__(self, method: str) -> None:
        self.method = method


async def intercepted(interceptor: DrainInterceptor, method: str, handler: Any) -> Any:
    async def continuation(_: Any) -> Any:
        return handler

    return await interceptor.intercept_service(continuation, Details(method))  # type: ignore[arg-type]


async def sent(requests: str) -> AsyncIterator[str]:
    for request in requests:
        yield request


async def collect(stream: AsyncIterator[str], responses: list[str]) -> None:
    async for response in stream:
        responses.append(response)  # noqa: PERF401 - keeps the responses before an error


async def run_pending() -> None:
    """Let every task run until it waits."""
    for _ in range(50):
        await asyncio.sleep(0)


def echo_after(release: asyncio.Event) -> Callable[[AsyncIterator[str], Any], AsyncIterator[str]]:
    async def answer(requests: AsyncIterator[str], _: Any) -> AsyncIterator[str]:
        read = [request async for request in requests]
        await release.wait()
        for request in read:
            yield request

    return answer


async def test_running_calls_finish_and_later_calls_are_unavailable() -> None:
    interceptor, release = DrainInterceptor("s.S"), asyncio.Event()

    async def answer_later(request: str, _: Any) -> str:
        await release.wait()
        return request

    responses: list[str] = []
    unary = await intercepted(interceptor, "/s.S/One", grpc.unary_unary_rpc_method_handler(answer_later))
    stream = await intercepted(interceptor, "/s.S/Many", grpc.stream_stream_rpc_method_handler(echo_after(release)))
    context: Any = None
    answered = asyncio.create_task(unary.unary_unary("x", context))
    streamed = asyncio.create_task(collect(stream.stream_stream(sent("ab"), context), responses))
    await run_pending()
    closing = asyncio.create_task(interceptor.drain(60.0))
    await asyncio.sleep(0)
    with pytest.raises(BackendUnavailableError):
        await unary.unary_unary("y", context)
    assert await intercepted(interceptor, "/other/Watch", grpc.unary_unary_rpc_method_handler(answer_later)) is not None
    assert await intercepted(interceptor, "/s.S/None", None) is None
    assert not closing.done()
    release.set()
    await streamed
    assert (await answered, responses) == ("x", ["a", "b"])
    await closing


@pytest.mark.parametrize("more", ["no more requests", "endless requests"])
async def test_requests_already_read_of_a_stream_are_answered_before_it_ends_as_unavailable(more: str) -> None:
    interceptor, release = DrainInterceptor("s.S"), asyncio.Event()

    async def open_stream() -> AsyncIterator[str]:
        yield "a"
        while more != "no more requests":
            await asyncio.sleep(0)
            yield "b"
        await asyncio.Event().wait()

    responses: list[str] = []
    stream = await intercepted(interceptor, "/s.S/Many", grpc.stream_stream_rpc_method_handler(echo_after(release)))
    streamed = asyncio.create_task(collect(stream.stream_stream(open_stream(), None), responses))
    await run_pending()
    closing = asyncio.create_task(interceptor.drain(60.0))
    await run_pending()
    assert (responses, closing.done()) == ([], False)  # the request that was read is in progress
    release.set()
    await run_pending()
    assert (responses[:1], streamed.done()) == (["a"], True)
    with pytest.raises(BackendUnavailableError):
        await streamed
    await closing


async def test_a_stream_cancelled_by_its_client_does_not_delay_draining() -> None:
    interceptor, before = DrainInterceptor("s.S"), asyncio.all_tasks()

    async def many(requests: AsyncIterator[str], _: Any) -> AsyncIterator[str]:
        async for request in requests:
            yield request

    async def open_stream() -> AsyncIterator[str]:
        yield "a"
        await asyncio.Event().wait()

    responses: list[str] = []
    stream = await intercepted(interceptor, "/s.S/Many", grpc.stream_stream_rpc_method_handler(many))
    streamed = asyncio.create_task(collect(stream.stream_stream(open_stream(), None), responses))
    await run_pending()
    streamed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await streamed
    assert (responses, asyncio.all_tasks()) == (["a"], before)
    await interceptor.drain(60.0)  # no call is running


async def test_calls_that_outlast_the_drain_end_as_unavailable() -> None:
    interceptor = DrainInterceptor("s.S")

    async def never(_: str, __: Any) -> None:
        await asyncio.Event().wait()

    async def answer_none(_: AsyncIterator[str], __: Any) -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield "never"

    unary = await intercepted(interceptor, "/s.S/One", grpc.unary_unary_rpc_method_handler(never))
    stream = await intercepted(interceptor, "/s.S/Many", grpc.stream_stream_rpc_method_handler(answer_none))
    context: Any = None
    running = [
        asyncio.create_task(unary.unary_unary("x", context)),
        asyncio.create_task(collect(stream.stream_stream(sent("a"), context), [])),
    ]
    await run_pending()
    await interceptor.drain(0.01)
    for call in running:
        assert call.done()
        with pytest.raises(BackendUnavailableError):
            await call


async def test_a_call_that_its_client_cancels_during_the_drain_stays_cancelled() -> None:
    interceptor = DrainInterceptor("s.S")

    async def never(_: str, __: Any) -> None:
        await asyncio.Event().wait()

    handler = await intercepted(interceptor, "/s.S/One", grpc.unary_unary_rpc_method_handler(never))
    running = asyncio.create_task(handler.unary_unary("x", None))
    await asyncio.sleep(0)
    closing = asyncio.create_task(interceptor.drain(60.0))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await closing


async def test_draining_ends_although_a_call_does_not_end_when_it_is_cancelled() -> None:
    interceptor, release = DrainInterceptor("s.S"), asyncio.Event()

    async def stubborn(_: str, __: Any) -> str:
        try:
            await release.wait()
        except asyncio.CancelledError:
            await release.wait()
        return "answered"

    handler = await intercepted(interceptor, "/s.S/One", grpc.unary_unary_rpc_method_handler(stubborn))
    running = asyncio.create_task(handler.unary_unary("x", None))
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await interceptor.drain(0.01)
    assert not running.done()
    release.set()
    assert await running == "answered"


async def test_draining_without_running_calls_ends_at_once() -> None:
    closing = asyncio.create_task(DrainInterceptor("s.S").drain(60.0))
    await run_pending()
    assert closing.done()


async def test_a_client_that_is_refused_is_asked_to_return_after_the_wait_for_responses() -> None:
    async def answer(request: str, _: Any) -> str:
        return request

    interceptor = DrainInterceptor("s.S")
    handler = await intercepted(interceptor, "/s.S/One", grpc.unary_unary_rpc_method_handler(answer))
    await interceptor.drain(0.0)
    with pytest.raises(BackendUnavailableError) as raised:
        await handler.unary_unary("x", None)
    delay_ms = pushback_ms(status_of(raised.value))
    assert delay_ms is not None
    assert delay_ms > 1000 * LEAVE_S
