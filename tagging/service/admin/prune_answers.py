"""Pruning of old stored answers, so that a service that runs for years does not fill its disk.

A video whose answer was removed is tagged again when it is requested. Answers of videos with feedback are kept: they
contain the title, which the export of feedback reads. Feedback, tag edits and labelled videos are not touched.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter

from tagging.progress import Progress
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.migrate import require_current
from tagging.store.database.size import Size
from tagging.store.database.taggings import Taggings

AT_ONCE = 500  # answers per transaction, about ten milliseconds


@dataclass(frozen=True, slots=True)
class PruneReport:
    """Counts of a pruning."""

    before: str
    removed: int
    kept_for_feedback: int  # old enough, but kept
    database_bytes: int  # afterwards


async def prune_results(
    config: DatabaseConfig,
    before: datetime,
    progress: Progress,
    at_once: int = AT_ONCE,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> PruneReport:
    """Remove the answers from before a time. May be interrupted and restarted at any time, while services write.

    Each batch is a transaction of its own, followed by a pause as long as it took: SQLite does not queue writers, so
    writing without pauses would keep the services waiting. Raises the errors of the database.
    """
    database = Database(config)
    try:
        await require_current(database)
        taggings, removed, kept, after = Taggings(database), 0, 0, 0
        with progress.track("answers scanned", None) as advance:
            began_s = perf_counter()
            while (page := await taggings.prune(before, after, at_once)) is not None:
                after, removed, kept = page.last, removed + page.removed, kept + page.kept
                advance(page.looked_at)
                # All answers are scanned: older ones may follow those that were stored while a clock was ahead.
                if page.looked_at < at_once:
                    break
                await sleep(perf_counter() - began_s)
                began_s = perf_counter()
        size = await Size(database).now()
    finally:
        await database.close()
    return PruneReport(before.isoformat(timespec="seconds"), removed, kept, size)
