"""Graceful shutdown of a server: report NOT_SERVING, let running calls finish, then stop."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from tagging.service.interceptors.drain import DrainInterceptor
from tagging.service.observe.health import Health

LEAVE_S = 0.5  # for responses that are on their way when no call is running any more


@asynccontextmanager
async def draining(
    server: grpc.aio.Server, drain: DrainInterceptor, health: Health, drain_s: float
) -> AsyncIterator[None]:
    """Drain the server at the end of the context, within `drain_s` seconds."""
    try:
        yield
    finally:
        health.drain()
        try:
            await drain.drain(drain_s)
        finally:
            # A client that just got a response may send its next call now. The drain interceptor answers it with
            # UNAVAILABLE; a server that stops would cancel it. The retry delay of that error is longer than this wait,
            # so only clients that ignore it, and call at the very moment of the stop, are cancelled: gRPC has no way to
            # refuse calls on open connections while it stops.
            await asyncio.sleep(LEAVE_S)
            await server.stop(LEAVE_S)
