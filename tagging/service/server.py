"""The service as one value: it is built, warmed, answers, and drains."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import grpc
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from opentelemetry.trace import NoOpTracer, Tracer
from prometheus_client import CollectorRegistry
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.errors import VideotagError
from tagging.service.api.servicer import Collaborators, Servicer
from tagging.service.bundles.registry import BundleRegistry
from tagging.service.calls.feedback import FeedbackCalls
from tagging.service.calls.shadow import Shadow
from tagging.service.calls.tags import TagCalls
from tagging.service.calls.videos import Telemetry, VideoCalls
from tagging.service.clients.quotas import Quotas
from tagging.service.config import HealthConfig, ListenConfig, ServiceConfig
from tagging.service.inference.admission import Admission
from tagging.service.inference.model_thread import ModelThread
from tagging.service.interceptors.auth import HEALTH, AuthInterceptor
from tagging.service.interceptors.drain import DrainInterceptor
from tagging.service.interceptors.errors import ErrorInterceptor
from tagging.service.interceptors.observe import TelemetryInterceptor
from tagging.service.malloc_trim import trim_periodically
from tagging.service.net.port import load_clients, open_port, server_options
from tagging.service.net.tls import ServerCertificate, warn_before_expiry
from tagging.service.observe.connections import connections
from tagging.service.observe.endpoint import metrics_endpoint
from tagging.service.observe.health import Health
from tagging.service.observe.logs import unify_library_logging
from tagging.service.observe.metrics import SERVICE, Metrics
from tagging.service.observe.readings import Readings, register
from tagging.service.observe.stages import TimedStages
from tagging.service.observe.watch import watch
from tagging.service.sources.sources import Sources
from tagging.store.database.database import Database
from tagging.store.database.feedback import FeedbackLog
from tagging.store.database.labelled_videos import LabelledLog
from tagging.store.database.migrate import migrate
from tagging.store.database.size import Size
from tagging.store.database.tag_edits import TagEdits
from tagging.store.database.taggings import Taggings

logger = logging.getLogger(__name__)

STREAM_AT_ONCE = 8
MEASURE_EVERY_S = 60.0
LEAVE_S = 0.5  # for answers on their way, when no call runs any more


@dataclass(frozen=True, slots=True)
class Running:
    port: int
    bundle_version: str


@asynccontextmanager
async def serving(
    bundle: Path,
    config: ServiceConfig,
    tracer: Tracer | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[Running]:
    """The service answers while the context lasts; at its end it says NOT_SERVING, and running calls may end.

    tracer: None: nothing is traced
    Raises InvalidConfigError for an address that cannot be listened on, and what loading and the database raise.
    """
    registry, health, quotas = CollectorRegistry(), Health(), Quotas()
    metrics, tracer = Metrics(registry), tracer or NoOpTracer()
    stages = TimedStages(metrics, tracer)
    door, access = DrainInterceptor(SERVICE), AuthInterceptor(load_clients(config.listen), quotas)
    certificate = ServerCertificate(config.listen.tls) if config.listen.tls is not None else None
    interceptors = [TelemetryInterceptor(metrics, tracer), ErrorInterceptor(), door, access]
    async with (
        _listening(config.listen, certificate, interceptors, health) as (server, servicer, port),
        AsyncExitStack() as stack,
    ):
        await migrate(config.database)
        database = Database(config.database)
        stack.push_async_callback(database.close)
        taggings, edits, labelled = Taggings(database), TagEdits(database), LabelledLog(database)
        model = ModelThread()
        stack.push_async_callback(model.close)
        bundles = BundleRegistry(config.bundles, model, edits, labelled, clock, stages)
        stack.push_async_callback(bundles.close)
        await bundles.start(bundle)
        unify_library_logging()
        shadow = Shadow(bundles, model, taggings, config.shadow_waiting, stages, clock)
        stack.push_async_callback(shadow.close)
        admission = Admission(config.admission)
        sources = Sources(config.sources)
        videos = VideoCalls(
            bundles, model, sources, admission, quotas, taggings, labelled, shadow, Telemetry(metrics, stages), clock
        )
        feedback = FeedbackCalls(bundles, taggings, FeedbackLog(database), clock)
        await stack.enter_async_context(_following(bundles, metrics, config.follow_s))
        tags = TagCalls(bundles, edits, clock)
        servicer.open(Collaborators(videos, tags, feedback, bundles, shadow, taggings, metrics, STREAM_AT_ONCE))
        register(registry, _readings(config.listen, port, health, admission, bundles, certificate))
        metrics_port = await stack.enter_async_context(metrics_endpoint(registry, config.observe.metrics))
        await stack.enter_async_context(_while_serving(_watching(edits, health, config.observe.health)))
        await stack.enter_async_context(_while_serving(_measuring(Size(database), metrics)))
        await stack.enter_async_context(_while_serving(trim_periodically()))
        if certificate is not None:
            await stack.enter_async_context(_while_serving(warn_before_expiry(certificate)))
        stack.push_async_callback(server.stop, LEAVE_S)
        # Who has just been answered comes once more. Here the door tells him; a server that stops cancels his call.
        stack.push_async_callback(asyncio.sleep, LEAVE_S)
        stack.push_async_callback(door.close, config.drain_s)
        stack.callback(health.drain)
        health.warm()
        version = bundles.active.manifest.version
        logger.info("serving", extra={"port": port, "metrics_port": metrics_port, "version": version})
        yield Running(port, version)


@asynccontextmanager
async def _listening(
    config: ListenConfig,
    certificate: ServerCertificate | None,
    interceptors: list[grpc.aio.ServerInterceptor],
    health: Health,
) -> AsyncIterator[tuple[grpc.aio.Server, Servicer, int]]:
    """A server whose health is NOT_SERVING, and whose calls are told to come back."""
    server, servicer = grpc.aio.server(interceptors=interceptors, options=server_options(config)), Servicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    rpc.add_TaggingServiceServicer_to_server(servicer, server)
    reflection.enable_server_reflection((SERVICE, HEALTH, reflection.SERVICE_NAME), server)
    port = open_port(server, config, certificate)
    await server.start()
    try:
        yield server, servicer, port
    finally:
        await server.stop(None)


def _readings(
    config: ListenConfig,
    port: int,
    health: Health,
    admission: Admission,
    bundles: BundleRegistry,
    certificate: ServerCertificate | None,
) -> Readings:
    def certificate_expiry_s() -> float | None:
        return certificate.ends.timestamp() if certificate is not None and certificate.ends is not None else None

    return Readings(
        serving=lambda: health.serving,
        connections=lambda: connections(port),
        connections_allowed=config.connections,
        admission_waiting=lambda: admission.waiting,
        bundles=lambda: bundles.versions,
        labelled_videos=lambda: bundles.active.now.tagger.labelled_videos,
        tag_edits=lambda: bundles.active.now.last_edit,
        decode_workers=lambda: bundles.active.now.tagger.decode_workers[0],
        decode_workers_killed=lambda: bundles.active.now.tagger.decode_workers[1],
        certificate_expiry_s=certificate_expiry_s,
    )


async def _watching(edits: TagEdits, health: Health, config: HealthConfig) -> NoReturn:
    """Without its database the service can answer nothing."""

    async def database() -> bool:
        await edits.last()
        return True

    await watch({"database": database}, health, config)


async def _measuring(size: Size, metrics: Metrics) -> NoReturn:
    while True:
        with suppress(VideotagError, OSError):  # of a database that is away, which others tell
            metrics.database_bytes.set(await size.now())
        await asyncio.sleep(MEASURE_EVERY_S)


@asynccontextmanager
async def _while_serving(endless: Coroutine[Any, Any, NoReturn]) -> AsyncIterator[None]:
    task = asyncio.create_task(endless)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def _following(bundles: BundleRegistry, metrics: Metrics, every_s: float) -> AsyncIterator[None]:
    """Looks again and again for what other processes wrote; a database that is away is looked for again, too."""
    stop = asyncio.Event()

    async def follow() -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every_s)
                return
            try:
                await bundles.follow()
            except VideotagError as error:
                metrics.database_errors.inc()
                logger.warning("the logs cannot be followed: %s", error.message)
            except Exception:  # it is looked for again all the same, for as long as the service runs
                metrics.database_errors.inc()
                logger.exception("following the logs failed as nobody foresaw")

    task = asyncio.create_task(follow())
    try:
        yield
    finally:
        stop.set()  # not cancelled: it may be in the middle of reading
        await task
