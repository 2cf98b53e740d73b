"""Graceful shutdown: in-flight calls finish, new calls get UNAVAILABLE so that clients retry elsewhere.

`grpc.aio` alone does less. Calls that it has accepted but not started when it stops end as CANCELLED, which does not
make a client try another server, and under load there are such calls. It also waits for every running call: for health
watchers, which never end by themselves, and for streams, which last for as long as their clients like. Here, requests
that were read from a stream are answered, then the stream ends with UNAVAILABLE, like calls that arrive later.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import grpc

from tagging.errors import BackendUnavailableError
from tagging.service.interceptors.wrap import Context, Continuation, Handler, wrap


class DrainInterceptor(grpc.aio.ServerInterceptor):
    """Counts the in-flight calls of one service. Comes after ErrorInterceptor, which maps the errors raised here."""

    def __init__(self, service: str) -> None:
        """service: its full name; calls of other services pass through uncounted"""
        self._prefix = f"/{service}/"
        self._draining = asyncio.Event()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def drain(self, within_s: float) -> None:
        """Reject new calls from now on; return when no call is in flight, or after `within_s` seconds."""
        self._draining.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), within_s)

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(self._prefix):
            return handler
        if self._draining.is_set():
            raise _draining()
        return wrap(handler, unary=self._around_unary, stream=self._around_stream)

    @contextmanager
    def _around_unary(self, request: Any, _: Context) -> Iterator[Any]:
        with self._counted():
            yield request

    @contextmanager
    def _around_stream(self, requests: AsyncIterator[Any], _: Context) -> Iterator[AsyncIterator[Any]]:
        reader = _RequestReader(requests, self._draining)
        with self._counted():
            yield reader.until_draining()
            if reader.was_cut:
                raise _draining()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()


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
