"""Traces: spans reach the collector, and an unreachable collector delays nothing."""

import builtins
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracer, get_tracer_provider
from pydantic import ValidationError

from tagging.errors import MissingPackageError
from tagging.service.config import TracesConfig
from tagging.service.observe.traces import tracer_for, tracing


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """Yield the endpoint of a collector and the requests it received."""
    received: list[Any] = []

    def export(request: Any, _: grpc.ServicerContext) -> Any:
        received.append(request)
        return pb.ExportTraceServiceResponse()

    server = grpc.server(ThreadPoolExecutor(1))
    handler = grpc.unary_unary_rpc_method_handler(
        export, pb.ExportTraceServiceRequest.FromString, pb.ExportTraceServiceResponse.SerializeToString
    )
    name = "opentelemetry.proto.collector.trace.v1.TraceService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"http://127.0.0.1:{port}", received
    finally:
        server.stop(None)


def test_a_collector_receives_every_span_before_shutdown_ends() -> None:
    with collector() as (endpoint, received):
        with tracing(TracesConfig(endpoint=endpoint, share=1.0)) as tracer:
            for n in range(3):
                with tracer.start_as_current_span(f"span{n}"):
                    pass
        spans = [s for r in received for group in r.resource_spans for scope in group.scope_spans for s in scope.spans]
        assert {span.name for span in spans} == {"span0", "span1", "span2"}
        [resource] = {str(group.resource) for r in received for group in r.resource_spans}
        assert '"videotag"' in resource


def test_an_unreachable_collector_loses_only_spans() -> None:
    done = 0
    with tracing(TracesConfig(endpoint="http://127.0.0.1:1", share=1.0, timeout_s=0.5)) as tracer:
        for _ in range(5000):  # more than the queue holds
            with tracer.start_as_current_span("span"):
                done += 1
    assert done == 5000


class Stuck(SpanExporter):
    """Exports until it is shut down; records the thread that did so."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self.ended_by: list[threading.Thread] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._over.wait(60)
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.ended_by.append(threading.current_thread())
        self._over.set()


def test_a_hanging_collector_is_given_up_after_the_timeout() -> None:
    stuck = Stuck()
    with tracing(TracesConfig(endpoint="http://any", share=1.0, timeout_s=0.1), lambda _, __: stuck) as tracer:
        for _ in range(2000):
            tracer.start_span("span").end()
    # Otherwise the processor shuts the exporter down itself, after half a minute.
    assert isinstance(stuck.ended_by[0], threading.Timer)


def test_without_an_endpoint_nothing_is_traced_and_nothing_is_global() -> None:
    before = get_tracer_provider()
    with tracing(TracesConfig()) as tracer:
        assert isinstance(tracer, NoOpTracer)
    with tracer_for(SimpleSpanProcessor(InMemorySpanExporter()), 1.0):
        assert get_tracer_provider() is before


def test_about_the_configured_share_of_traces_is_sampled_and_each_is_complete() -> None:
    spans = InMemorySpanExporter()
    with tracer_for(SimpleSpanProcessor(spans), 0.25) as tracer:
        for _ in range(2000):
            with tracer.start_as_current_span("call"), tracer.start_as_current_span("stage"):
                pass
    kept = spans.get_finished_spans()
    assert len([s for s in kept if s.name == "call"]) == len([s for s in kept if s.name == "stage"])
    assert 350 < len(kept) / 2 < 650  # seven standard deviations about 500


def test_a_missing_exporter_is_an_error_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("opentelemetry.exporter.otlp"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackageError) as raised, tracing(TracesConfig(endpoint="http://127.0.0.1:4317")):
        pass
    assert "videotag[traces]" in raised.value.hint


@pytest.mark.parametrize(
    "endpoint", ["localhost:4317", "http://me:pass@host:4317", "http://host/path", "ftp://host", ""]
)
def test_an_invalid_collector_endpoint_is_a_config_error(endpoint: str) -> None:
    with pytest.raises(ValidationError) as raised:
        TracesConfig(endpoint=endpoint)
    assert "pass" not in str(raised.value)
