"""Lifecycle of a service of one model: listen, load the model and serve; on shutdown report NOT_SERVING and drain."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import grpc
from opentelemetry.trace import NoOpTracer, Tracer
from prometheus_client import CollectorRegistry, Gauge

from tagging.service.api.grpc_server import listening
from tagging.service.background import checking, running
from tagging.service.clients.quotas import Quotas
from tagging.service.config import ModelServiceConfig
from tagging.service.inference.admission import Admission, limits_on_calls
from tagging.service.inference.turns import Turns
from tagging.service.interceptors.chain import build_interceptors
from tagging.service.net.tls import ServerCertificate, warn_before_expiry
from tagging.service.observe.endpoint import metrics_endpoint
from tagging.service.observe.health import Health
from tagging.service.observe.metrics import CallMetrics
from tagging.service.observe.readings import register_server, server_readings
from tagging.service.shutdown import draining
from tagging.store.database.database import Database
from tagging.store.database.migrate import migrate

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A service that serves."""

    port: int
    metrics_port: int | None  # None without an endpoint
    version: str  # of the model


@asynccontextmanager
async def serving_model(
    config: ModelServiceConfig,
    registry: CollectorRegistry,
    metrics: CallMetrics,
    add: Callable[[grpc.aio.Server], None],
    opened: Callable[[Database, Turns], AbstractAsyncContextManager[str]],
    tracer: Tracer | None,
) -> AsyncIterator[Running]:
    """Serve while the context lasts; then report NOT_SERVING and let running calls finish.

    metrics: in the registry; their contract is that of the service
    add:     adds the servicer to the server
    opened:  loads the model, opens the servicer, and runs its background loops while its context lasts; yields the
             version of the model. The database has current tables; calls that take long run in the turns.
    tracer:  None: without traces
    Raises InvalidConfigError for an address that cannot be listened on, and the errors of the database and of `opened`.
    """
    service = metrics.contract.service
    health = Health(service)
    chain = build_interceptors(config.listen, Quotas(), metrics, tracer or NoOpTracer())
    certificate = ServerCertificate(config.listen.tls) if config.listen.tls is not None else None
    async with (
        listening(config.listen, certificate, chain.all, health, service, add) as server,
        AsyncExitStack() as stack,
    ):
        await migrate(config.database)
        database = Database(config.database)
        stack.push_async_callback(database.close)
        admission = Admission(limits_on_calls(config))
        turns = Turns(admission)
        stack.push_async_callback(turns.close, config.database.answer_timeout_s)
        waiting = Gauge("tagging_admission_waiting", "Calls in the admission queue.", registry=registry)
        waiting.set_function(lambda: admission.waiting)
        version = await stack.enter_async_context(opened(database, turns))
        register_server(registry, server_readings(config.listen, server.port, certificate, health))
        metrics_port = await stack.enter_async_context(metrics_endpoint(registry, config.observe.metrics))
        await stack.enter_async_context(checking(database, health, metrics, config.observe.health))
        if certificate is not None:
            await stack.enter_async_context(running(warn_before_expiry(certificate)))
        await stack.enter_async_context(draining(chain.drain, health, config.drain_s))
        health.warm()
        logger.info("serving", extra={"port": server.port, "metrics_port": metrics_port, "version": version})
        yield Running(server.port, metrics_port, version)
