"""OpenTelemetry traces: a span for each call and each stage, sent to a collector. Off by default.

The provider is passed as a value; the library's global one is not used.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.metadata import version
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import INVALID_SPAN, NoOpTracer, Span, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from tagging.errors import MissingPackageError
from tagging.service.config import TracesConfig
from tagging.service.observe.call import Metadata

NAME = "videotag"
_PROPAGATOR = TraceContextTextMapPropagator()


@contextmanager
def tracing(config: TracesConfig, make: Callable[[str, float], SpanExporter] | None = None) -> Iterator[Tracer]:
    """Yield a tracer; at the end send the remaining spans, for at most `config.timeout_s`.

    Enter it outside the event loop, because its end blocks.
    make: builds the exporter from an endpoint and a timeout in seconds; None: OpenTelemetry's own for gRPC
    Raises MissingPackageError if traces are configured without the extra `traces`.
    """
    if config.endpoint is None:
        yield NoOpTracer()
        return
    exporter = (make or _exporter)(config.endpoint, config.timeout_s)
    # By default the processor waits 30 s for a collector that is away, longer than a drain may take.
    timer = threading.Timer(config.timeout_s, exporter.shutdown)
    try:
        with tracer_for(BatchSpanProcessor(exporter), config.share) as tracer:
            try:
                yield tracer
            finally:
                timer.start()
    finally:
        timer.cancel()


@contextmanager
def tracer_for(processor: SpanProcessor, share: float) -> Iterator[Tracer]:
    """Yield a tracer. share: sampled share of traces that begin here; traces of callers keep the caller's decision."""
    resource = Resource.create({"service.name": NAME, "service.version": version("videotag")})
    sampler = ParentBased(root=TraceIdRatioBased(share))
    provider = TracerProvider(resource=resource, sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    try:
        yield provider.get_tracer(NAME)
    finally:
        provider.shutdown()


def start_span(tracer: Tracer, name: str, **options: Any) -> AbstractContextManager[Span]:
    """Start a span and make it the current one while the context lasts.

    Exceptions are not recorded: their texts may contain data of clients, which must not reach traces.
    options: of Tracer.start_as_current_span
    """
    if isinstance(tracer, NoOpTracer):  # its spans do nothing either, but cost as much as the rest of a stage
        return nullcontext(INVALID_SPAN)
    return tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False, **options)


def parent_context(metadata: Metadata) -> Context | None:
    """Return the trace context of a call's W3C traceparent; None if it is missing or invalid."""
    fields = {key: value for key, value in metadata if key in _PROPAGATOR.fields and isinstance(value, str)}
    return _PROPAGATOR.extract(fields) if fields else None


def _exporter(endpoint: str, timeout_s: float) -> SpanExporter:
    try:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise MissingPackageError(
            "traces need opentelemetry-exporter-otlp-proto-grpc, which is not installed",
            'install it: pip install "videotag[traces]"',
        ) from error
    return OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"), timeout=timeout_s)
