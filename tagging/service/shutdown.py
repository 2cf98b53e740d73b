"""Graceful shutdown of a service: report NOT_SERVING, let running calls finish, end the process; all within bounds."""

import asyncio
import atexit
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from tagging.service.interceptors.drain import DrainInterceptor
from tagging.service.observe.health import Health

logger = logging.getLogger(__name__)

CLOSE_S = 10.0  # for everything after the drain; the grace periods of deploy/ are longer than drain_s and this
LEAVE_S = 0.5  # for responses that are on their way when no call is running any more


class ProcessEnds(BaseException):
    """Raised inside the context of a service whose process ends next: everything is closed but the server.

    gRPC cannot refuse calls on open connections while it stops: it cancels them, and CANCELLED does not make clients
    call another server. So the server runs and refuses calls until the process ends. That closes its connections, and
    clients get UNAVAILABLE for the calls that were not answered yet.
    """

    def __init__(self) -> None:
        super().__init__()
        self.servers: list[grpc.aio.Server] = []  # a server without references stops


@asynccontextmanager
async def draining(drain: DrainInterceptor, health: Health, drain_s: float) -> AsyncIterator[None]:
    """Drain a server at the end of the context, within `drain_s` seconds and a second."""
    try:
        yield
    finally:
        health.drain()
        await drain.drain(drain_s)
        await asyncio.sleep(LEAVE_S)


def end_process() -> None:
    """End this process with status 0, after its exit handlers.

    The end of the interpreter is left out, as nothing can bound it: it waits for threads and destroys the objects of
    libraries, which takes a second of processor time, and on busy cores many times longer.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def end_process_within(seconds: float) -> None:
    """End this process with status 0 after so many seconds, unless it ends before.

    Threads cannot be stopped: one that is in a library or waits for a file would otherwise keep the process for as long
    as it likes. What was acknowledged is stored by then, and decode processes end with their parent.
    """
    timer = threading.Timer(seconds, _give_up)
    timer.daemon = True
    timer.start()


def _give_up() -> None:
    logger.warning("work in threads did not end in time and is given up")
    os._exit(0)
