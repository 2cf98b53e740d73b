"""Prometheus collector for values that other parts hold, read at each scrape: queues, bundles, workers."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from tagging.service.config import ListenConfig
from tagging.service.net.tls import ServerCertificate
from tagging.service.observe.connections import connections
from tagging.service.observe.health import Health

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServerReadings:
    """Functions that return current values of a server.

    Called from another thread at every scrape: they neither wait nor query.
    """

    serving: Callable[[], bool]
    connections: Callable[[], int | None]  # None: unknown on this system
    connections_allowed: int
    certificate_expiry_s: Callable[[], float | None]  # seconds of Unix time; None without TLS


def server_readings(
    config: ListenConfig, port: int, certificate: ServerCertificate | None, health: Health
) -> ServerReadings:
    """The readings of a server that listens on a port. certificate: None: without TLS"""
    return ServerReadings(
        serving=lambda: health.serving,
        connections=lambda: connections(port),
        connections_allowed=config.connections,
        certificate_expiry_s=lambda: expiry_s(certificate),
    )


def expiry_s(certificate: ServerCertificate | None) -> float | None:
    """Return the end of a certificate in seconds of Unix time; None without one, or if it states none."""
    return certificate.ends.timestamp() if certificate is not None and certificate.ends is not None else None


@dataclass(frozen=True, slots=True)
class Readings(ServerReadings):
    """Readings of the tagging service beside those of its server.

    admission_waiting: inputs ("texts", "media") -> number of videos
    bundles: role ("active", "previous", "shadow") -> version of each loaded bundle
    """

    admission_waiting: Callable[[], Mapping[str, int]]
    bundles: Callable[[], Mapping[str, str]]
    labelled_videos: Callable[[], int]
    tag_edits: Callable[[], int]
    decode_workers: Callable[[], int]  # alive
    decode_workers_killed: Callable[[], int]  # since the start


class ServerCollector(Collector):
    """Collects the readings of a server. A reading that fails is logged and left out, one that is None is left out."""

    def __init__(self, readings: ServerReadings) -> None:
        self._readings = readings

    def collect(self) -> Iterable[Metric]:
        readings = self._readings
        yield from _collected(
            (GaugeMetricFamily("tagging_serving", "1 if health reports SERVING."), readings.serving),
            (GaugeMetricFamily("tagging_connections", "Open client connections."), readings.connections),
            (
                GaugeMetricFamily("tagging_connections_allowed", "Limit of client connections; more are closed."),
                lambda: readings.connections_allowed,
            ),
            (
                GaugeMetricFamily(
                    "tagging_tls_certificate_expiry_timestamp_seconds",
                    "Expiry of the served certificate, Unix time.",
                ),
                readings.certificate_expiry_s,
            ),
        )


class ReadingsCollector(Collector):
    """Collects what only the tagging service has, as ServerCollector does."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def collect(self) -> Iterable[Metric]:
        readings = self._readings
        yield from _collected(
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
        )
        yield from _collected_by_label(
            GaugeMetricFamily("tagging_admission_waiting", "Videos in the admission queue.", labels=("inputs",)),
            lambda: {(inputs,): waiting for inputs, waiting in readings.admission_waiting().items()},
        )
        yield from _collected_by_label(
            GaugeMetricFamily("tagging_bundle_info", "Loaded bundles.", labels=("version", "role")),
            lambda: {(version, role): 1 for role, version in readings.bundles().items()},
        )


def _collected(
    *families: tuple[GaugeMetricFamily | CounterMetricFamily, Callable[[], float | None]],
) -> Iterable[Metric]:
    for family, read in families:
        yield from _collected_by_label(family, lambda: {} if (value := read()) is None else {(): value})  # noqa: B023 - called at once


def _collected_by_label(
    family: GaugeMetricFamily | CounterMetricFamily, read: Callable[[], Mapping[tuple[str, ...], float]]
) -> Iterable[Metric]:
    """read: returns the values by the values of the labels; none: the family is left out"""
    try:
        for labels, value in read().items():
            family.add_metric(labels, float(value))
    except Exception:  # one faulty reading must not hide the other metrics
        logger.exception("a metric could not be read", extra={"metric": family.name})
    else:
        if family.samples:
            yield family


def register_server(registry: CollectorRegistry, readings: ServerReadings) -> None:
    """Register the readings of a server and the metrics of its process: CPU, memory, open files, garbage collector."""
    registry.register(ServerCollector(readings))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
