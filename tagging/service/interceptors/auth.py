"""Authentication, authorisation and rate limiting of each call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc

from tagging.service.clients.clients import Client, Clients
from tagging.service.clients.current import set_caller
from tagging.service.clients.quotas import Quotas
from tagging.service.clients.roles import check
from tagging.service.clients.tokens import Metadata
from tagging.service.contract import Contract
from tagging.service.interceptors.wrap import Context, Continuation, Handler, wrap
from tagging.service.observe.call import note_client

HEALTH = "grpc.health.v1.Health"  # open to all callers: probes have no token, and the answer reveals little


class AuthInterceptor(grpc.aio.ServerInterceptor):
    """Identifies the client of a call, and enforces its roles and quotas. Comes after ErrorInterceptor.

    An invalid token is refused before the request is parsed; gRPC has read the first message by then. Messages of a
    stream are counted one by one. A message that exceeds the quota is delayed, while a unary call is refused, and
    for each message the client's right to make the call is checked again.

    sleep: a coroutine function of seconds
    """

    def __init__(
        self,
        contract: Contract,
        clients: Clients,
        quotas: Quotas,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._contract = contract
        self._clients = clients
        self._quotas = quotas
        self._sleep = sleep

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        method = handler_call_details.method
        handler = await continuation(handler_call_details)
        if handler is None or method.startswith(f"/{HEALTH}/"):
            return handler
        client = self._clients.by_metadata(handler_call_details.invocation_metadata)
        if client is not None:
            check(self._contract, client, method)
        return wrap(handler, unary=partial(self._around_unary, method), stream=partial(self._around_stream, method))

    @contextmanager
    def _around_unary(self, method: str, request: Any, context: Context) -> Iterator[Any]:
        client = self._authorised(method, context)
        self._quotas.take(client, request.ByteSize())
        set_caller(client)
        note_client(client.name)
        yield request

    @contextmanager
    def _around_stream(
        self, method: str, requests: AsyncIterator[Any], context: Context
    ) -> Iterator[AsyncIterator[Any]]:
        client = self._authorised(method, context)
        set_caller(client)
        note_client(client.name)
        yield self._within_quota(method, requests, context)

    async def _within_quota(self, method: str, requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
        async for request in requests:
            client = self._authorised(method, context)
            wait_s = self._quotas.reserve(client, request.ByteSize())
            if wait_s:
                await self._sleep(wait_s)
            yield request

    def _authorised(self, method: str, context: Context) -> Client:
        """Return the client. Raises UnauthenticatedError or ForbiddenError."""
        metadata: Metadata = context.invocation_metadata() or ()  # type: ignore[assignment]
        client = self._clients.by_metadata(metadata)
        if client is None:
            # the certificate's subject alternative names, or else its common name
            names = context.peer_identities() or ()
            client = self._clients.by_certificate(name.decode("utf-8", "replace") for name in names if name)
        check(self._contract, client, method)
        return client
