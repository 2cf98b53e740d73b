"""Background loops of a running service: follow the logs, check the database, measure its size."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import NoReturn

from tagging.errors import VideotagError
from tagging.service.bundles.registry import FINISH_S, BundleRegistry
from tagging.service.config import HealthConfig
from tagging.service.observe.health import Health
from tagging.service.observe.metrics import CallMetrics
from tagging.service.observe.watch import watch
from tagging.store.database.database import Database
from tagging.store.database.size import Size
from tagging.store.database.tag_edits import TagEdits

logger = logging.getLogger(__name__)

MEASURE_EVERY_S = 60.0


@asynccontextmanager
async def running(endless: Coroutine[None, None, NoReturn]) -> AsyncIterator[None]:
    """Run a coroutine while the context lasts, then cancel it."""
    task = asyncio.create_task(endless)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def repeating(
    work: Callable[[], Awaitable[object]], every_s: float, metrics: CallMetrics, failure: str
) -> NoReturn:
    """Do work on the database now and then; a database that is away is tried again.

    failure: what the log says when the work fails
    """
    while True:
        await _attempt(work, metrics, failure)
        await asyncio.sleep(every_s)


async def _attempt(work: Callable[[], Awaitable[object]], metrics: CallMetrics, failure: str) -> None:
    try:
        await work()
    except VideotagError as error:
        metrics.database_errors.inc()
        logger.warning("%s: %s", failure, error.message)
    except Exception:  # tried again like any other failure, as long as the service runs
        metrics.database_errors.inc()
        logger.exception("%s: unexpected error", failure)


@asynccontextmanager
async def following(bundles: BundleRegistry, metrics: CallMetrics, every_s: float) -> AsyncIterator[None]:
    """Apply what other processes append to the logs, every `every_s` seconds, while the context lasts.

    A database that is away is tried again.
    """
    stop = asyncio.Event()

    async def follow() -> None:
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), every_s)
                return
            await _attempt(bundles.follow, metrics, "the logs cannot be followed")

    task = asyncio.create_task(follow())
    try:
        yield
    finally:
        stop.set()  # not cancelled at once, as it may be in the middle of reading
        await asyncio.wait((task,), timeout=FINISH_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def checking(
    database: Database, health: Health, metrics: CallMetrics, config: HealthConfig
) -> AsyncIterator[None]:
    """Report NOT_SERVING while the database is away, and measure its size, while the context lasts."""
    async with running(_check(database, health, config)), running(_measure(Size(database), metrics)):
        yield


async def _check(database: Database, health: Health, config: HealthConfig) -> NoReturn:
    """Without its database the service cannot answer any call."""
    edits = TagEdits(database)

    async def answers() -> bool:
        await edits.last()
        return True

    await watch({"database": answers}, health, config)


async def _measure(size: Size, metrics: CallMetrics) -> NoReturn:
    while True:
        with suppress(VideotagError, OSError):  # the check reports a database that is away
            metrics.database_bytes.set(await size.now())
        await asyncio.sleep(MEASURE_EVERY_S)
