"""The bounded concurrent map over a stream of requests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from tagging.service.api.streaming import map_concurrently

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def stream(requests: list[str], read: list[str]) -> AsyncIterator[str]:
    for request in requests:
        read.append(request)
        yield request


async def test_responses_come_as_they_are_ready_with_the_index_of_their_request() -> None:
    release = {name: asyncio.Event() for name in "abc"}

    async def respond(index: int, name: str) -> tuple[int, str]:
        await release[name].wait()
        return index, name

    responses: list[tuple[int, str]] = []
    async with aclosing(map_concurrently(stream(list("abc"), []), respond, 3)) as mapped:
        for name in "cab":
            release[name].set()
            responses.append(await anext(mapped))
        with pytest.raises(StopAsyncIteration):
            await anext(mapped)
    assert responses == [(2, "c"), (0, "a"), (1, "b")]


async def test_no_request_is_read_while_the_limit_is_in_progress() -> None:
    read: list[str] = []
    running = most = 0

    async def respond(index: int, name: str) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        assert len(read) <= index + 3
        for _ in range(10):  # others are read meanwhile
            await asyncio.sleep(0)
        running -= 1
        return name

    names = [str(number) for number in range(20)]
    async with aclosing(map_concurrently(stream(names, read), respond, 3)) as mapped:
        responses = [response async for response in mapped]
    assert sorted(responses) == sorted(names)
    assert most == 3


async def test_closing_cancels_the_requests_in_progress() -> None:
    cancelled: list[int] = []

    async def respond(index: int, name: str) -> str:
        if name == "first":
            return name
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(index)
            raise
        raise AssertionError("not cancelled")

    async with aclosing(map_concurrently(stream(["first", "x", "y"], []), respond, 3)) as mapped:
        assert await anext(mapped) == "first"
        for _ in range(5):
            await asyncio.sleep(0)
        pending = asyncio.ensure_future(anext(mapped))
        for _ in range(20):
            await asyncio.sleep(0)
        pending.cancel()
        await asyncio.gather(pending, return_exceptions=True)
    assert sorted(cancelled) == [1, 2]


async def test_an_error_of_a_response_ends_the_stream() -> None:
    async def respond(index: int, name: str) -> str:
        raise ValueError(name)

    with pytest.raises(ValueError, match="only"):
        async with aclosing(map_concurrently(stream(["only"], []), respond, 2)) as mapped:
            await anext(mapped)
