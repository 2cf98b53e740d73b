"""The service as one value: it is built, warmed, answers, and drains."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from videotag.v1 import tagging_pb2 as pb
from videotag.v1 import tagging_pb2_grpc as rpc

from tagging.errors import VideotagError
from tagging.service.access import Access
from tagging.service.admission import Admission
from tagging.service.boundary import Boundary
from tagging.service.bundles import Bundles
from tagging.service.feedback import FeedbackCalls
from tagging.service.listen import known_clients, open_port, server_options
from tagging.service.model import ModelThread
from tagging.service.quotas import Quotas
from tagging.service.servicer import Parts, Servicer
from tagging.service.settings import ServiceConfig
from tagging.service.shadow import Shadow
from tagging.service.sources import Sources
from tagging.service.tags import Tags
from tagging.service.videos import Videos
from tagging.store.database.database import Database
from tagging.store.database.feedback import FeedbackLog
from tagging.store.database.labelled_videos import LabelledLog
from tagging.store.database.migrate import migrate
from tagging.store.database.tag_edits import TagEdits
from tagging.store.database.taggings import Taggings

logger = logging.getLogger(__name__)

SERVICE = pb.DESCRIPTOR.services_by_name["TaggingService"].full_name
STREAM_AT_ONCE = 8
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@dataclass(frozen=True, slots=True)
class Running:
    port: int
    bundle_version: str


@asynccontextmanager
async def serving(
    bundle: Path, config: ServiceConfig, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> AsyncIterator[Running]:
    """The service answers while the context lasts; at its end it says NOT_SERVING, and running calls may end.

    Raises InvalidConfigError for an address that cannot be listened on, and what loading and the database raise.
    """
    quotas = Quotas()
    async with _listening(config, quotas) as (server, checks, servicer, port), AsyncExitStack() as stack:
        await migrate(config.database)
        database = Database(config.database)
        stack.push_async_callback(database.close)
        taggings, edits, labelled = Taggings(database), TagEdits(database), LabelledLog(database)
        model = ModelThread()
        stack.push_async_callback(model.close)
        bundles = Bundles(config.bundles, model, edits, labelled, clock)
        stack.push_async_callback(bundles.close)
        await bundles.start(bundle)
        shadow = Shadow(bundles, model, taggings, config.shadow_waiting, clock)
        stack.push_async_callback(shadow.close)
        videos = Videos(
            bundles,
            model,
            Sources(config.sources),
            Admission(config.admission),
            quotas,
            taggings,
            labelled,
            shadow,
            clock,
        )
        feedback = FeedbackCalls(bundles, taggings, FeedbackLog(database), clock)
        await stack.enter_async_context(_following(bundles, config.follow_s))
        tags = Tags(bundles, edits, clock)
        servicer.open(Parts(videos, tags, feedback, bundles, shadow, taggings, STREAM_AT_ONCE))
        stack.push_async_callback(server.stop, config.drain_s)
        stack.push_async_callback(_set, checks, NOT_SERVING)
        await _set(checks, SERVING)
        logger.info("serving", extra={"port": port, "version": bundles.active.manifest.version})
        yield Running(port, bundles.active.manifest.version)


@asynccontextmanager
async def _listening(
    config: ServiceConfig, quotas: Quotas
) -> AsyncIterator[tuple[grpc.aio.Server, health.aio.HealthServicer, Servicer, int]]:
    """A server whose health is NOT_SERVING, and whose calls are told to come back."""
    access = Access(known_clients(config.listen), quotas)
    server = grpc.aio.server(interceptors=[Boundary(), access], options=server_options(config.listen))
    checks, servicer = health.aio.HealthServicer(), Servicer()
    await _set(checks, NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    rpc.add_TaggingServiceServicer_to_server(servicer, server)
    reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    port = open_port(server, config.listen)
    await server.start()
    try:
        yield server, checks, servicer, port
    finally:
        await server.stop(None)


async def _set(checks: health.aio.HealthServicer, status: Any) -> None:
    for name in ("", SERVICE):
        await checks.set(name, status)


@asynccontextmanager
async def _following(bundles: Bundles, every_s: float) -> AsyncIterator[None]:
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
                logger.warning("the logs cannot be followed: %s", error.message)

    task = asyncio.create_task(follow())
    try:
        yield
    finally:
        stop.set()  # not cancelled: it may be in the middle of reading
        await task
