"""Prometheus collector for values that other parts hold, read at each scrape: queues, bundles, workers."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Readings:
    """Functions that return current values. Called from another thread at every scrape: they neither wait nor query.

    bundles: role ("active", "previous", "shadow") -> version of each loaded bundle
    """

    serving: Callable[[], bool]
    connections: Callable[[], int | None]  # None: unknown on this system
    connections_allowed: int
    admission_waiting: Callable[[], int]
    bundles: Callable[[], Mapping[str, str]]
    labelled_videos: Callable[[], int]
    tag_edits: Callable[[], int]
    decode_workers: Callable[[], int]  # alive
    decode_workers_killed: Callable[[], int]  # since the start
    certificate_expiry_s: Callable[[], float | None]  # seconds of Unix time; None without TLS


class ReadingsCollector(Collector):
    """Collects the readings. A reading that fails is logged and left out, one that is None is left out."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def collect(self) -> Iterable[Metric]:
        readings = self._readings
        for family, read in (
            (GaugeMetricFamily("tagging_serving", "1 if health reports SERVING."), readings.serving),
            (GaugeMetricFamily("tagging_connections", "Open client connections."), readings.connections),
            (
                GaugeMetricFamily("tagging_connections_allowed", "Limit of client connections; more are closed."),
                lambda: readings.connections_allowed,
            ),
            (
                GaugeMetricFamily("tagging_admission_waiting", "Videos in the admission queue."),
                readings.admission_waiting,
            ),
            (
                GaugeMetricFamily("tagging_labelled_videos", "Labelled videos of the active bundle."),
                readings.labelled_videos,
            ),
            (GaugeMetricFamily("tagging_tag_edits", "Number of the last applied tag edit."), readings.tag_edits),
            (GaugeMetricFamily("tagging_decode_workers", "Running decode processes."), readings.decode_workers),
            (
                CounterMetricFamily("tagging_decode_workers_killed", "Decode processes that hung or crashed."),
                readings.decode_workers_killed,
            ),
            (
                GaugeMetricFamily(
                    "tagging_tls_certificate_expiry_timestamp_seconds",
                    "Expiry of the served certificate, Unix time.",
                ),
                readings.certificate_expiry_s,
            ),
        ):
            try:
                if (value := read()) is None:
                    continue
                family.add_metric((), float(value))
            except Exception:  # one faulty reading must not hide the other metrics
                _log_failure(family)
            else:
                yield family
        info = GaugeMetricFamily("tagging_bundle_info", "Loaded bundles.", labels=("version", "role"))
        try:
            for role, version in readings.bundles().items():
                info.add_metric((version, role), 1.0)
        except Exception:  # as above
            _log_failure(info)
        else:
            yield info


def _log_failure(family: Metric) -> None:
    logger.exception("a metric could not be read", extra={"metric": family.name})


def register(registry: CollectorRegistry, readings: Readings) -> None:
    """Register the readings and the metrics of the process: CPU, memory, open files, garbage collector."""
    registry.register(ReadingsCollector(readings))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
