"""TimedStages: durations, errors, spans and log lines of stages, in tasks and threads."""

import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NoOpTracer
from prometheus_client import CollectorRegistry

from tagging.errors import DecodeTimeoutError
from tagging.pipeline.stages import untimed
from tagging.service.observe.metrics import Metrics
from tagging.service.observe.stages import TimedStages
from tagging.service.observe.traces import tracer_for


class Clock:
    """A clock that a test advances."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def stages(registry: CollectorRegistry, clock: Clock, spans: InMemorySpanExporter) -> Iterator[TimedStages]:
    with tracer_for(SimpleSpanProcessor(spans), 1.0) as tracer:
        yield TimedStages(Metrics(registry), tracer, clock)


def counted(registry: CollectorRegistry, stage: str) -> tuple[float | None, float | None]:
    return (
        registry.get_sample_value("tagging_stage_seconds_count", {"stage": stage}),
        registry.get_sample_value("tagging_stage_seconds_sum", {"stage": stage}),
    )


def test_nested_stages_are_timed_separately(stages: TimedStages, registry: CollectorRegistry, clock: Clock) -> None:
    with stages("shadow"):
        clock.now_s += 1.0
        with stages("recall"):
            clock.now_s += 0.5
    assert counted(registry, "recall") == (1, 0.5)
    assert counted(registry, "shadow") == (1, 1.5)
    assert counted(registry, "rank") == (0, 0)


def test_an_error_is_timed_counted_by_reason_and_propagated(
    stages: TimedStages, registry: CollectorRegistry, clock: Clock, spans: InMemorySpanExporter
) -> None:
    for error in (DecodeTimeoutError("/srv/a title.mp4: too long"), KeyError("a title")):
        with pytest.raises(type(error)) as raised, stages("decode"):
            clock.now_s += 2.0
            raise error
        assert raised.value is error
    assert counted(registry, "decode") == (2, 4.0)
    for reason in ("DECODE_TIMEOUT", "INTERNAL"):
        labels = {"stage": "decode", "reason": reason}
        assert registry.get_sample_value("tagging_stage_errors_total", labels) == 1
    for span in spans.get_finished_spans():
        assert span.status.status_code == trace.StatusCode.ERROR
        assert "a title" not in span.to_json()


def test_a_cancelled_stage_is_timed_and_not_counted_as_an_error(
    stages: TimedStages, registry: CollectorRegistry
) -> None:
    async def hang() -> None:
        with stages("source"):
            await asyncio.Event().wait()

    async def cancel() -> None:
        task = asyncio.create_task(hang())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(cancel())
    assert counted(registry, "source")[0] == 1
    assert not [s for f in registry.collect() for s in f.samples if s.name == "tagging_stage_errors_total"]


def test_stages_of_concurrent_threads_are_all_timed(stages: TimedStages, registry: CollectorRegistry) -> None:
    def work() -> None:
        for _ in range(200):
            with stages("encode"), stages("rank"):
                pass

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted(registry, "encode")[0] == counted(registry, "rank")[0] == 1600


def test_a_stage_is_logged_at_debug_level_only(stages: TimedStages, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "tagging"), stages("store"):
        pass
    assert not caplog.records
    with caplog.at_level(logging.DEBUG, "tagging"), stages("store"):
        pass
    [record] = caplog.records
    assert (vars(record)["stage"], vars(record)["seconds"]) == ("store", 0.0)


def test_stages_without_tracer_and_metrics_do_nothing(registry: CollectorRegistry) -> None:
    for stages in (TimedStages(Metrics(registry), NoOpTracer()), untimed):
        with pytest.raises(KeyError), stages("rank"):
            assert not trace.get_current_span().is_recording()
            raise KeyError
    assert counted(registry, "rank")[0] == 1
