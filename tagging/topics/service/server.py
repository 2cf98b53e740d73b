"""Topic service lifecycle: listen, load the pool of the model and serve; on shutdown report NOT_SERVING and drain."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NoReturn

from opentelemetry.trace import NoOpTracer, Tracer
from prometheus_client import CollectorRegistry
from videotag.v1 import topics_pb2_grpc as rpc

from tagging.errors import VideotagError
from tagging.service.api.grpc_server import listening
from tagging.service.background import checking, running
from tagging.service.clients.quotas import Quotas
from tagging.service.interceptors.chain import build_interceptors
from tagging.service.net.tls import ServerCertificate, warn_before_expiry
from tagging.service.observe.connections import connections
from tagging.service.observe.endpoint import metrics_endpoint
from tagging.service.observe.health import Health
from tagging.service.observe.metrics import CallMetrics
from tagging.service.observe.readings import ServerReadings, register_server
from tagging.service.shutdown import draining
from tagging.store.database.database import Database
from tagging.store.database.engagements import Engagements
from tagging.store.database.migrate import migrate
from tagging.store.database.topic_videos import TopicVideos
from tagging.topics.files import read_topics, read_videos
from tagging.topics.manifest import TOPIC_MODEL
from tagging.topics.queues.upkeep import load_pool, prune
from tagging.topics.service.calls import TopicCalls
from tagging.topics.service.config import TopicServiceConfig
from tagging.topics.service.contract import TOPICS
from tagging.topics.service.metrics import TopicMetrics
from tagging.topics.service.servicer import ServedTopics, TopicServicer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A topic service that serves."""

    port: int
    metrics_port: int | None  # None without an endpoint
    topics_version: str


@asynccontextmanager
async def serving(
    folder: Path,
    config: TopicServiceConfig,
    tracer: Tracer | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[Running]:
    """Serve a topic model while the context lasts; then report NOT_SERVING and let running calls finish.

    tracer: None: without traces
    Raises InvalidConfigError for an address that cannot be listened on, ArtifactError for the model, and the errors of
    the database.
    """
    manifest = TOPIC_MODEL.read(folder)
    topics, groups = read_topics(folder)
    registry = CollectorRegistry()
    metrics, health = TopicMetrics(registry), Health(TOPICS.service)
    chain = build_interceptors(config.listen, Quotas(), metrics, tracer or NoOpTracer())
    certificate = ServerCertificate(config.listen.tls) if config.listen.tls is not None else None
    servicer = TopicServicer()
    add = partial(rpc.add_TopicServiceServicer_to_server, servicer)
    async with (
        listening(config.listen, certificate, chain.all, health, TOPICS.service, add) as server,
        AsyncExitStack() as stack,
    ):
        await migrate(config.database)
        database = Database(config.database)
        stack.push_async_callback(database.close)
        videos, engagements = TopicVideos(database), Engagements(database, config.queues.half_life_s)
        await load_pool(videos, manifest.version, read_videos(folder), clock())
        calls = TopicCalls(topics, videos, engagements, config.queues, clock)
        servicer.open(ServedTopics(manifest.version, groups, calls, metrics, clock))
        register_server(registry, _readings(config, server.port, certificate, health))
        metrics_port = await stack.enter_async_context(metrics_endpoint(registry, config.observe.metrics))
        await stack.enter_async_context(checking(database, health, metrics, config.observe.health))
        await stack.enter_async_context(running(_prune(videos, engagements, config, clock, metrics)))
        if certificate is not None:
            await stack.enter_async_context(running(warn_before_expiry(certificate)))
        await stack.enter_async_context(draining(server.server, chain.drain, health, config.drain_s))
        health.warm()
        fields = {"port": server.port, "metrics_port": metrics_port, "version": manifest.version}
        logger.info("serving", extra=fields)
        yield Running(server.port, metrics_port, manifest.version)


def _readings(
    config: TopicServiceConfig, port: int, certificate: ServerCertificate | None, health: Health
) -> ServerReadings:
    def certificate_expiry_s() -> float | None:
        return certificate.ends.timestamp() if certificate is not None and certificate.ends is not None else None

    return ServerReadings(
        serving=lambda: health.serving,
        connections=lambda: connections(port),
        connections_allowed=config.listen.connections,
        certificate_expiry_s=certificate_expiry_s,
    )


async def _prune(
    videos: TopicVideos,
    engagements: Engagements,
    config: TopicServiceConfig,
    clock: Callable[[], datetime],
    metrics: CallMetrics,
) -> NoReturn:
    """Prune the tables now and then; a database that is away is tried again."""
    while True:
        try:
            await prune(videos, engagements, config.queues, clock())
        except VideotagError as error:
            metrics.database_errors.inc()
            logger.warning("the topic tables cannot be pruned: %s", error.message)
        except Exception:  # tried again like any other failure, as long as the service runs
            metrics.database_errors.inc()
            logger.exception("unexpected error while pruning the topic tables")
        await asyncio.sleep(config.prune_every_s)
