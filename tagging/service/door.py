"""Who still comes when the service is about to stop: those that run may end, those that come later are sent elsewhere.

`grpc.aio` alone does less. Calls that it had not begun to answer when it stops end as CANCELLED, which tells nobody to
try another server, and under load there are some. And it waits for every call, also for health's watchers, who never
end by themselves.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import Any

import grpc

from tagging.errors import BackendUnavailableError

Context = grpc.aio.ServicerContext[Any, Any]
Handler = Any  # grpc.RpcMethodHandler, of which the types know the handlers that do not await alone


class Door(grpc.aio.ServerInterceptor):
    """Counts the running calls of one service. Put it behind Boundary, which answers with what is raised here."""

    def __init__(self, service: str) -> None:
        """service: its full name; calls of others are let through, uncounted"""
        self._prefix = f"/{service}/"
        self._is_closed = False
        self._running = 0
        self._empty = asyncio.Event()
        self._empty.set()

    async def close(self, within_s: float) -> None:
        """From now on whoever comes is sent away; ends when nobody is inside any more, or the time is over."""
        self._is_closed = True
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
        if self._is_closed:
            raise BackendUnavailableError("the service is about to stop", "call another one, or this one in a while")
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
            with self._inside():
                async with aclosing(handler.stream_stream(requests, context)) as responses:
                    async for response in responses:
                        yield response

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
