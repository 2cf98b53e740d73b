"""Stage timing of the service: each stage gives a histogram sample, a trace span and a debug log line."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from opentelemetry.trace import StatusCode, Tracer

from tagging.pipeline.stages import Stage
from tagging.service.observe.metrics import Metrics, error_reason
from tagging.service.observe.traces import start_span

logger = logging.getLogger(__name__)


class TimedStages:
    """Implements tagging.pipeline.stages.Stages."""

    def __init__(self, metrics: Metrics, tracer: Tracer, clock: Callable[[], float] = time.perf_counter) -> None:
        self._metrics = metrics
        self._tracer = tracer
        self._clock = clock

    def __call__(self, stage: Stage, /) -> AbstractContextManager[None]:
        """Time a stage while the context lasts. A cancelled stage is timed and not counted as an error."""
        return self._timed(stage)

    @contextmanager
    def _timed(self, stage: Stage) -> Iterator[None]:
        started_s = self._clock()
        with start_span(self._tracer, stage) as span:
            try:
                yield
            except Exception as error:
                reason = error_reason(error)
                self._metrics.stage_errors.labels(stage, reason).inc()
                span.set_attribute("error.type", reason)
                span.set_status(StatusCode.ERROR)
                raise
            finally:
                seconds = self._clock() - started_s
                self._metrics.stage_seconds.labels(stage).observe(seconds)
                logger.debug("stage", extra={"stage": stage, "seconds": seconds})
