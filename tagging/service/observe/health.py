"""Health service, grpc.health.v1: SERVING when warm and all dependencies work; NOT_SERVING before and while draining.

The servicer is our own: the one of grpcio-health-checking drops all watchers of a service when one of them leaves, and
reports SERVING for "" before it is set.
"""

import asyncio
import logging
from typing import Any, NoReturn

import grpc
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1.health_pb2_grpc import HealthServicer

logger = logging.getLogger(__name__)
_Context = grpc.aio.ServicerContext[Any, Any]


class Health(HealthServicer):
    """Add it to the server before the port opens: it starts as NOT_SERVING. Belongs to one event loop.

    service: full name of the one service of the server
    """

    def __init__(self, service: str) -> None:
        self._services = ("", service)  # "": the whole server, which Kubernetes probes
        self._warm = False
        self._draining = False
        self._missing: frozenset[str] = frozenset()
        self._reported = False
        self._changed = asyncio.Event()

    @property
    def serving(self) -> bool:
        return self._warm and not self._draining and not self._missing

    def warm(self) -> None:
        """Record that everything is loaded and has worked once."""
        self._warm = True
        self._report()

    def set_working(self, name: str, works: bool) -> None:
        """Set whether an essential dependency works; those that were never set do."""
        self._missing = self._missing - {name} if works else self._missing | {name}
        self._report()

    def drain(self) -> None:
        """Report NOT_SERVING from now on. The first step of a shutdown, so that load balancers move on."""
        self._draining = True
        self._report()

    def _report(self) -> None:
        if self.serving == self._reported:
            return
        self._reported = self.serving
        self._changed.set()
        self._changed = asyncio.Event()
        missing = ", ".join(sorted(self._missing))
        logger.warning(
            "health changed", extra={"serving": self.serving, "draining": self._draining, "missing": missing}
        )

    async def Check(self, request: pb.HealthCheckRequest, context: Any) -> pb.HealthCheckResponse:  # noqa: N802
        if request.service not in self._services:
            await _refuse(context)
        return pb.HealthCheckResponse(status=self._status(request.service))

    async def Watch(self, request: pb.HealthCheckRequest, context: Any) -> None:  # noqa: N802
        """Send the status now and at every change; SERVICE_UNKNOWN once for an unknown service, as specified."""
        sent = None
        while True:
            changed, status = self._changed, self._status(request.service)
            if status != sent:
                await context.write(pb.HealthCheckResponse(status=status))
                sent = status
            await changed.wait()

    def _status(self, service: str) -> int:
        if service not in self._services:
            return pb.HealthCheckResponse.SERVICE_UNKNOWN
        return pb.HealthCheckResponse.SERVING if self.serving else pb.HealthCheckResponse.NOT_SERVING


async def _refuse(context: _Context) -> NoReturn:
    await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
    raise AssertionError("abort raises")
