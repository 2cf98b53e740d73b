"""Service lifecycle: listen, load, warm up and serve; on shutdown report NOT_SERVING and drain."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from opentelemetry.trace import Tracer
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.service.api.grpc_server import listening
from tagging.service.api.servicer import Servicer
from tagging.service.background import checking, following, running
from tagging.service.calls.build import OpenedCalls, build_calls
from tagging.service.calls.videos import Telemetry
from tagging.service.clients.quotas import Quotas
from tagging.service.clients.roles import SERVICE
from tagging.service.config import ServiceConfig
from tagging.service.interceptors.chain import build_interceptors
from tagging.service.malloc_trim import trim_periodically
from tagging.service.net.tls import ServerCertificate, TritonClientCertificate, warn_before_expiry
from tagging.service.observe.observation import Observation, build_observation, exposing, readings
from tagging.service.observe.triton import ObservedTriton, TritonCollector, watch_triton
from tagging.service.shutdown import draining
from tagging.store.database.migrate import migrate

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A service that serves."""

    port: int
    bundle_version: str


@asynccontextmanager
async def serving(
    bundle: Path,
    config: ServiceConfig,
    tracer: Tracer | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[Running]:
    """Serve while the context lasts; then report NOT_SERVING and let running calls finish.

    tracer: None: without traces
    Raises InvalidConfigError for an address that cannot be listened on, and the errors of loading and of the database.
    """
    observation, quotas = build_observation(tracer), Quotas()
    chain = build_interceptors(config.listen, quotas, observation.metrics, observation.tracer)
    certificate = ServerCertificate(config.listen.tls) if config.listen.tls is not None else None
    servicer = Servicer()
    add = partial(rpc.add_TaggingServiceServicer_to_server, servicer)
    async with listening(config.listen, certificate, chain.all, observation.health, SERVICE, add) as server:
        await migrate(config.database)
        telemetry = Telemetry(observation.metrics, observation.stages)
        async with (
            build_calls(bundle, config, quotas, telemetry, clock) as opened,
            following(opened.bundles, observation.metrics, config.follow_s),
        ):
            servicer.open(opened.calls)
            async with (
                _observed(config, server.port, certificate, observation, opened) as metrics_port,
                draining(chain.drain, observation.health, config.drain_s),
            ):
                observation.health.warm()
                version = opened.bundles.active.version
                fields = {"port": server.port, "metrics_port": metrics_port, "version": version}
                logger.info("serving", extra=fields)
                yield Running(server.port, version)


@asynccontextmanager
async def _observed(
    config: ServiceConfig,
    port: int,
    certificate: ServerCertificate | None,
    observation: Observation,
    opened: OpenedCalls,
) -> AsyncIterator[int | None]:
    """Expose the metrics and run the background loops while the context lasts; yields the port of the metrics."""
    health, metrics, observe = observation.health, observation.metrics, config.observe
    values = readings(config.listen, port, certificate, health, opened.admissions, opened.bundles)
    async with AsyncExitStack() as stack:
        metrics_port = await stack.enter_async_context(exposing(observation.registry, values, observe.metrics))
        await stack.enter_async_context(checking(opened.database, health, metrics, observe.health))
        if opened.triton is not None:
            path = config.triton_tls.certificate if config.triton_tls is not None else None
            shown = TritonClientCertificate(path) if path is not None else None
            observed = ObservedTriton(opened.triton, lambda: opened.bundles.active.snapshot.tagger.models, shown)
            observation.registry.register(TritonCollector(observed))
            await stack.enter_async_context(running(watch_triton(observed, health, observe.health)))
            if shown is not None:
                await stack.enter_async_context(running(warn_before_expiry(shown)))
        await stack.enter_async_context(running(trim_periodically()))
        if certificate is not None:
            await stack.enter_async_context(running(warn_before_expiry(certificate)))
        yield metrics_port
