"""Before each call: who makes it, whether they may, and whether not too often."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc

from tagging.service.clients.clients import Client, Clients
from tagging.service.clients.current import _CALLER, caller
from tagging.service.clients.quotas import Quotas
from tagging.service.clients.roles import check
from tagging.service.clients.tokens import Metadata
from tagging.service.interceptors.errors import Context, Handler
from tagging.service.observe.call import note_client

HEALTH = "grpc.health.v1.Health"  # open to all: what probes it has no token, and it tells little


class AuthInterceptor(grpc.aio.ServerInterceptor):
    """Put it behind the Boundary, which makes statuses of what it raises.

    A bad token is refused before the request is parsed; gRPC has read its first message by then. Messages of a stream
    are counted one by one and held back, where a call would be refused, and each finds out whether the client may still
    call.

    sleep: of so many seconds
    """

    def __init__(
        self, clients: Clients, quotas: Quotas, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._clients = clients
        self._quotas = quotas
        self._sleep = sleep

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        call = handler_call_details.method
        handler = await continuation(handler_call_details)
        if handler is None or call.startswith(f"/{HEALTH}/"):
            return handler
        known = self._clients.by_metadata(handler_call_details.invocation_metadata)
        if known is not None:
            check(known, call)
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._one(call, handler), handler.request_deserializer, handler.response_serializer
            )
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                self._many(call, handler), handler.request_deserializer, handler.response_serializer
            )
        raise NotImplementedError(f"{call} is of a kind that nobody guards")

    def _one(self, call: str, handler: Handler) -> Callable[[Any, Context], Awaitable[Any]]:
        async def answer(request: Any, context: Context) -> Any:
            client = self._client(call, context)
            self._quotas.take(client, request.ByteSize())
            _CALLER.set(client)
            note_client(client.name)
            return await handler.unary_unary(request, context)

        return answer

    def _many(self, call: str, handler: Handler) -> Callable[[AsyncIterator[Any], Context], AsyncIterator[Any]]:
        async def counted(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            async for request in requests:
                client = self._client(call, context)
                wait_s = self._quotas.reserve(client, request.ByteSize())
                if wait_s:
                    await self._sleep(wait_s)
                yield request

        async def answer(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            _CALLER.set(self._client(call, context))
            note_client(caller().name)
            async with aclosing(handler.stream_stream(counted(requests, context), context)) as responses:
                async for response in responses:
                    yield response

        return answer

    def _client(self, call: str, context: Context) -> Client:
        metadata: Metadata = context.invocation_metadata() or ()  # type: ignore[assignment]
        client = self._clients.by_metadata(metadata)
        if client is None:
            names = context.peer_identities() or ()  # those of the subject's alternatives, or else its common name
            client = self._clients.by_certificate(name.decode("utf-8", "replace") for name in names if name)
        check(client, call)
        return client
