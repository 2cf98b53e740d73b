"""Who may still come in, and who is waited for, when a service stops."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest

from tagging.errors import BackendUnavailableError
from tagging.service.interceptors.drain import DrainInterceptor

pytestmark = pytest.mark.anyio


class Details:
    def __init__(self, method: str) -> None:
        self.method = method


async def entered(door: DrainInterceptor, method: str, handler: Any) -> Any:
    async def continuation(_: Any) -> Any:
        return handler

    return await door.intercept_service(continuation, Details(method))  # type: ignore[arg-type]


async def sent(requests: str) -> AsyncIterator[str]:
    for request in requests:
        yield request


async def listen(stream: AsyncIterator[str], heard: list[str]) -> None:
    async for answer in stream:
        heard.append(answer)  # noqa: PERF401 - what came before an error is there


async def ticks() -> None:
    """All that can go on goes on."""
    for _ in range(50):
        await asyncio.sleep(0)


def echo_after(go_on: asyncio.Event) -> Callable[[AsyncIterator[str], Any], AsyncIterator[str]]:
    async def answer(requests: AsyncIterator[str], _: Any) -> AsyncIterator[str]:
        read = [request async for request in requests]
        await go_on.wait()
        for request in read:
            yield request

    return answer


async def test_running_calls_finish_and_later_calls_are_unavailable() -> None:
    door, go_on = DrainInterceptor("s.S"), asyncio.Event()

    async def one(request: str, _: Any) -> str:
        await go_on.wait()
        return request

    heard: list[str] = []
    unary = await entered(door, "/s.S/One", grpc.unary_unary_rpc_method_handler(one))
    stream = await entered(door, "/s.S/Many", grpc.stream_stream_rpc_method_handler(echo_after(go_on)))
    nobody: Any = None
    answered = asyncio.create_task(unary.unary_unary("x", nobody))
    streamed = asyncio.create_task(listen(stream.stream_stream(sent("ab"), nobody), heard))
    await ticks()
    closing = asyncio.create_task(door.drain(60.0))
    await asyncio.sleep(0)
    with pytest.raises(BackendUnavailableError):
        await entered(door, "/s.S/One", grpc.unary_unary_rpc_method_handler(one))
    assert await entered(door, "/other/Watch", grpc.unary_unary_rpc_method_handler(one)) is not None
    assert await entered(door, "/s.S/None", None) is None
    assert not closing.done()
    go_on.set()
    await streamed
    assert (await answered, heard) == ("x", ["a", "b"])
    await closing


@pytest.mark.parametrize("more", ["none comes", "some come again and again"])
async def test_requests_already_read_of_a_stream_are_answered_before_it_ends_as_unavailable(more: str) -> None:
    door, go_on = DrainInterceptor("s.S"), asyncio.Event()

    async def open_stream() -> AsyncIterator[str]:
        yield "a"
        while more != "none comes":
            await asyncio.sleep(0)
            yield "b"
        await asyncio.Event().wait()

    heard: list[str] = []
    stream = await entered(door, "/s.S/Many", grpc.stream_stream_rpc_method_handler(echo_after(go_on)))
    streamed = asyncio.create_task(listen(stream.stream_stream(open_stream(), None), heard))
    await ticks()
    closing = asyncio.create_task(door.drain(60.0))
    await ticks()
    assert (heard, closing.done()) == ([], False)  # what was read is worked on
    go_on.set()
    await ticks()
    assert (heard[:1], streamed.done()) == (["a"], True)
    with pytest.raises(BackendUnavailableError):
        await streamed
    await closing


async def test_a_stream_cancelled_by_its_client_does_not_delay_draining() -> None:
    door, before = DrainInterceptor("s.S"), asyncio.all_tasks()

    async def many(requests: AsyncIterator[str], _: Any) -> AsyncIterator[str]:
        async for request in requests:
            yield request

    async def open_stream() -> AsyncIterator[str]:
        yield "a"
        await asyncio.Event().wait()

    heard: list[str] = []
    stream = await entered(door, "/s.S/Many", grpc.stream_stream_rpc_method_handler(many))
    streamed = asyncio.create_task(listen(stream.stream_stream(open_stream(), None), heard))
    await ticks()
    streamed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await streamed
    assert (heard, asyncio.all_tasks()) == (["a"], before)
    await door.drain(60.0)  # nobody is inside


async def test_draining_ends_at_its_timeout() -> None:
    door = DrainInterceptor("s.S")

    async def never(_: str, __: Any) -> None:
        await asyncio.Event().wait()

    handler = await entered(door, "/s.S/One", grpc.unary_unary_rpc_method_handler(never))
    running = asyncio.create_task(handler.unary_unary("x", None))
    await asyncio.sleep(0)
    await door.drain(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await door.drain(60.0)  # nobody is inside


async def test_draining_without_running_calls_ends_at_once() -> None:
    closing = asyncio.create_task(DrainInterceptor("s.S").drain(60.0))
    await ticks()
    assert closing.done()
