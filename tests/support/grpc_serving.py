"""A real gRPC server with the interceptors of the service, handlers of a test, and recorded logs, metrics and spans."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import grpc
from grpc import StatusCode
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracer, Tracer
from prometheus_client import CollectorRegistry

from tagging.service.clients.roles import SERVICE
from tagging.service.config import LogsConfig
from tagging.service.interceptors.errors import ErrorInterceptor
from tagging.service.interceptors.observe import TelemetryInterceptor
from tagging.service.interceptors.wrap import Context
from tagging.service.net.grpc_log import filter_client_data
from tagging.service.observe.logs import json_logs
from tagging.service.observe.metrics import Metrics
from tagging.service.observe.traces import tracer_for

Unary = Callable[[bytes, Context], Awaitable[bytes]]
Stream = Callable[[AsyncIterator[bytes], Context], AsyncIterator[bytes]]


async def echo(request: bytes, _: Context) -> bytes:
    return request


async def echo_all(requests: AsyncIterator[bytes], _: Context) -> AsyncIterator[bytes]:
    async for request in requests:
        yield request


@dataclass
class Recorded:
    """Metrics, spans and log lines of the server."""

    registry: CollectorRegistry
    metrics: Metrics
    spans: InMemorySpanExporter
    tracer: Tracer
    log: StringIO = field(default_factory=StringIO)

    def lines(self, logger: str = "") -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if line["logger"].startswith(logger)]

    @property
    def access(self) -> list[dict[str, Any]]:
        return self.lines("tagging.service.access")

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@dataclass
class Serving:
    recorded: Recorded
    channel: grpc.aio.Channel
    server: grpc.aio.Server

    async def unary(
        self,
        method: str = "TagVideo",
        request: bytes = b"",
        metadata: Sequence[tuple[str, str]] = (),
        service: str = SERVICE,
    ) -> tuple[StatusCode, dict[str, Any]]:
        """Return the status code and the trailing metadata."""
        unary_call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(f"/{service}/{method}")
        call = unary_call(request, metadata=tuple(metadata), timeout=30)
        code = await call.code()
        return code, dict(await call.trailing_metadata() or ())

    def stream(self, requests: Sequence[bytes]) -> Any:
        stream_call: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self.channel.stream_stream(
            f"/{SERVICE}/StreamTagVideos"
        )
        return stream_call(iter(requests), timeout=30)


@asynccontextmanager
async def serving(
    unary: Unary = echo, stream: Stream = echo_all, *, share: float | None = 1.0, level: str = "debug"
) -> AsyncIterator[Serving]:
    """Run the server and a channel to it.

    share: share of calls that are traced; None: no tracing, as without a collector
    """
    filter_client_data()  # as the service does
    registry, spans = CollectorRegistry(), InMemorySpanExporter()
    metrics = Metrics(registry)
    with tracer_for(SimpleSpanProcessor(spans), share or 0.0) as tracer:
        recorded = Recorded(registry, metrics, spans, tracer if share is not None else NoOpTracer())
        with json_logs(LogsConfig.model_validate({"level": level}), recorded.log):
            server = grpc.aio.server(interceptors=[TelemetryInterceptor(metrics, recorded.tracer), ErrorInterceptor()])
            handlers: dict[str, Any] = {
                "TagVideo": grpc.unary_unary_rpc_method_handler(unary),
                "GetTagging": grpc.unary_unary_rpc_method_handler(unary),
                "StreamTagVideos": grpc.stream_stream_rpc_method_handler(stream),
            }
            server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(SERVICE, handlers)])
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            try:
                async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                    yield Serving(recorded, channel, server)
            finally:
                await server.stop(None)
