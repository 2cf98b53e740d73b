"""Graceful shutdown: in-flight calls finish, new calls get UNAVAILABLE so that clients retry elsewhere.

`grpc.aio` alone does less. Calls that it has accepted but not started when it stops, or that take too long, end as
CANCELLED, which does not make a client try another server, and under load there are such calls. It also waits for
every running call: for health watchers, which never end by themselves, and for streams, which last for as long as their
clients like. Here, requests that were read from a stream are answered, then the stream ends with UNAVAILABLE, like
calls that arrive later or take too long.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import grpc

from tagging.errors import BackendUnavailableError
from tagging.service.interceptors.wrap import Context, Continuation, Handler, wrap

CUT_S = 0.5  # for calls that take too long to end when they are cancelled


class DrainInterceptor(grpc.aio.ServerInterceptor):
    """Knows the in-flight calls of one service. Comes after ErrorInterceptor, which maps the errors raised here."""

    def __init__(self, service: str) -> None:
        """service: its full name; calls of other services pass through"""
        self._prefix = f"/{service}/"
        self._draining = asyncio.Event()
        self._in_flight: set[asyncio.Task[Any]] = set()
        self._cut: set[asyncio.Task[Any]] = set()  # calls that were cancelled here, not by their clients
        self._idle = asyncio.Event()
        self._idle.set()

    async def drain(self, within_s: float) -> None:
        """Reject new calls from now on; return when no call is in flight.

        Calls that take longer than `within_s` seconds get UNAVAILABLE; they have CUT_S seconds for it.
        """
        self._draining.set()
        await self._idle_within(within_s)
        self._cut |= self._in_flight
        for call in self._cut:
            call.cancel()
        await self._idle_within(CUT_S)

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(self._prefix):
            return handler
        return wrap(handler, unary=self._around_unary, stream=self._around_stream)

    @contextmanager
    def _around_unary(self, request: Any, _: Context) -> Iterator[Any]:
        with self._in_flight_call():
            yield request

    @contextmanager
    def _around_stream(self, requests: AsyncIterator[Any], _: Context) -> Iterator[AsyncIterator[Any]]:
        reader = _RequestReader(requests, self._draining)
        with self._in_flight_call():
            yield reader.until_draining()
            if reader.was_cut:
                raise _draining()

    @contextmanager
    def _in_flight_call(self) -> Iterator[None]:
        if self._draining.is_set():  # looked at here, as a call that gRPC has accepted may begin much later
            raise _draining()
        call = asyncio.current_task()
        assert call is not None
        self._in_flight.add(call)
        self._idle.clear()
        try:
            yield
        except asyncio.CancelledError:
            if call not in self._cut:
                raise
            call.uncancel()
            raise _draining() from None
        finally:
            self._in_flight.discard(call)
            self._cut.discard(call)
            if not self._in_flight:
                self._idle.set()

    async def _idle_within(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)


class _RequestReader:
    """The requests of one stream that are read before draining begins."""

    def __init__(self, requests: AsyncIterator[Any], draining: asyncio.Event) -> None:
        self._requests = requests
        self._draining = draining
        self.was_cut = False  # True: the client may have sent more requests

    async def until_draining(self) -> AsyncIterator[Any]:
        closing = asyncio.create_task(self._draining.wait())
        requests = aiter(self._requests)
        reading: asyncio.Future[Any] | None = None
        try:
            while not self._draining.is_set():
                reading = asyncio.ensure_future(anext(requests))
                await asyncio.wait({reading, closing}, return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    break
                try:
                    request = reading.result()
                except StopAsyncIteration:
                    return
                yield request
            self.was_cut = True
        finally:
            tasks: list[asyncio.Future[Any]] = [closing, *([reading] if reading is not None else [])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _draining() -> BackendUnavailableError:
    return BackendUnavailableError("the service is shutting down", "call another instance, or retry later")
