"""Graceful shutdown of a server: report NOT_SERVING, let running calls finish, then stop; all within bounds."""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from tagging.service.interceptors.drain import DrainInterceptor
from tagging.service.observe.health import Health

logger = logging.getLogger(__name__)

CLOSE_S = 10.0  # for everything after the drain; the grace periods of deploy/ are longer than drain_s and this
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


def end_process_within(seconds: float) -> None:
    """End this process with status 0 after so many seconds, unless it ends by itself before.

    Threads cannot be stopped: one that is in a library or waits for a file would otherwise keep the process for as long
    as it likes. What was acknowledged is stored by then, and decode processes end with their parent. The end of the
    interpreter itself, a second of processor time, is not interrupted.
    """
    timer = threading.Timer(seconds, _end_process)
    timer.daemon = True
    timer.start()


def _end_process() -> None:
    logger.warning("work in threads did not end in time and is given up")
    os._exit(0)
