"""Who still comes when the service is about to stop: those that run may end, those that come later are sent elsewhere.

`grpc.aio` alone does less. Calls that it had not begun to answer when it stops end as CANCELLED, which tells nobody to
try another server, and under load there are some. And it waits for every call, also for health's watchers, who never
end by themselves, and for streams, which go on for as long as their clients like: what was read of one is answered, and
then it ends as those that come later do.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import Any

import grpc

from tagging.errors import BackendUnavailableError

Context = grpc.aio.ServicerContext[Any, Any]
Handler = Any  # grpc.RpcMethodHandler, of which the types know the handlers that do not await alone


class DrainInterceptor(grpc.aio.ServerInterceptor):
    """Counts the running calls of one service. Put it behind Boundary, which answers with what is raised here."""

    def __init__(self, service: str) -> None:
        """service: its full name; calls of others are let through, uncounted"""
        self._prefix = f"/{service}/"
        self._closed = asyncio.Event()
        self._running = 0
        self._empty = asyncio.Event()
        self._empty.set()

    async def close(self, within_s: float) -> None:
        """From now on whoever comes is sent away; ends when nobody is inside any more, or the time is over."""
        self._closed.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), within_s)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(self._prefix):
            return handler
        if self._closed.is_set():
            raise _stopping()
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                self._counted_stream(handler), handler.request_deserializer, handler.response_serializer
            )
        return grpc.unary_unary_rpc_method_handler(
            self._counted(handler), handler.request_deserializer, handler.response_serializer
        )

    def _counted(self, handler: Handler) -> Callable[[Any, Context], Awaitable[Any]]:
        async def answer(request: Any, context: Context) -> Any:
            with self._inside():
                return await handler.unary_unary(request, context)

        return answer

    def _counted_stream(self, handler: Handler) -> Callable[[AsyncIterator[Any], Context], AsyncIterator[Any]]:
        async def answer(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            read = _Requests(requests, self._closed)
            with self._inside():
                async with aclosing(handler.stream_stream(read.until_closed(), context)) as responses:
                    async for response in responses:
                        yield response
                if read.were_cut:
                    raise _stopping()

        return answer

    @contextmanager
    def _inside(self) -> Iterator[None]:
        self._running += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._empty.set()


class _Requests:
    """Those of one stream that are read before the door closes."""

    def __init__(self, requests: AsyncIterator[Any], closed: asyncio.Event) -> None:
        self._requests = requests
        self._closed = closed
        self.were_cut = False  # whether there may have been more

    async def until_closed(self) -> AsyncIterator[Any]:
        closing = asyncio.create_task(self._closed.wait())
        coming = aiter(self._requests)
        reading: asyncio.Future[Any] | None = None
        try:
            while not self._closed.is_set():
                reading = asyncio.ensure_future(anext(coming))
                await asyncio.wait({reading, closing}, return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    break
                try:
                    request = reading.result()
                except StopAsyncIteration:
                    return
                yield request
            self.were_cut = True
        finally:
            rest: list[asyncio.Future[Any]] = [closing, *([reading] if reading is not None else [])]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)


def _stopping() -> BackendUnavailableError:
    return BackendUnavailableError("the service is about to stop", "call another one, or this one in a while")
