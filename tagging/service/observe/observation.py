"""Observation of a service: its metrics, traces, stage timing and health in one value."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from opentelemetry.trace import NoOpTracer, Tracer
from prometheus_client import CollectorRegistry

from tagging.service.bundles.registry import BundleRegistry
from tagging.service.config import ListenConfig, MetricsConfig
from tagging.service.inference.inference import Admissions
from tagging.service.net.tls import ServerCertificate
from tagging.service.observe.connections import connections
from tagging.service.observe.endpoint import metrics_endpoint
from tagging.service.observe.health import Health
from tagging.service.observe.metrics import Metrics
from tagging.service.observe.readings import Readings, ReadingsCollector, expiry_s, register_server
from tagging.service.observe.stages import TimedStages


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """The instruments of one service."""

    registry: CollectorRegistry
    metrics: Metrics
    tracer: Tracer
    stages: TimedStages
    health: Health


def build_observation(tracer: Tracer | None) -> Observation:
    """Build the instruments; tracer: None: without traces."""
    registry, tracer = CollectorRegistry(), tracer or NoOpTracer()
    metrics = Metrics(registry)
    return Observation(registry, metrics, tracer, TimedStages(metrics, tracer), Health(metrics.contract.service))


def readings(
    config: ListenConfig,
    port: int,
    certificate: ServerCertificate | None,
    health: Health,
    admissions: Admissions,
    bundles: BundleRegistry,
) -> Readings:
    """The values that are read at each scrape."""
    return Readings(
        serving=lambda: health.serving,
        connections=lambda: connections(port),
        connections_allowed=config.connections,
        admission_waiting=lambda: {"texts": admissions.texts.waiting, "media": admissions.media.waiting},
        bundles=lambda: bundles.versions,
        labelled_videos=lambda: bundles.active.labelled_videos,
        tag_edits=lambda: bundles.active.last_edit,
        decode_workers=lambda: bundles.active.decode_workers.alive,
        decode_workers_killed=lambda: bundles.active.decode_workers.killed,
        certificate_expiry_s=lambda: expiry_s(certificate),
    )


@asynccontextmanager
async def exposing(registry: CollectorRegistry, values: Readings, config: MetricsConfig) -> AsyncIterator[int | None]:
    """Serve the metrics while the context lasts; yields the port, None without an endpoint."""
    register_server(registry, values)
    registry.register(ReadingsCollector(values))
    async with metrics_endpoint(registry, config) as port:
        yield port
