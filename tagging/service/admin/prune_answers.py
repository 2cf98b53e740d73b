"""Stored answers that are old enough are removed, so that a service that runs for years does not fill its disk.

The same video is then simply tagged again. Answers of videos on which there is feedback stay: they say what the video
was called, which training from the feedback reads. Feedback, tag edits and labelled videos are not touched.
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

AT_ONCE = 500  # answers in a transaction, some ten milliseconds


@dataclass(frozen=True, slots=True)
class PruneReport:
    before: str
    removed: int
    kept_for_feedback: int  # as old
    database_bytes: int  # afterwards


async def prune_results(
    config: DatabaseConfig,
    before: datetime,
    progress: Progress,
    at_once: int = AT_ONCE,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> PruneReport:
    """Remove the answers from before a moment. May be stopped at any time, and begun anew, while services write.

    Each batch is a transaction of its own, and as long as it took nothing is done then: on a file writers do not queue
    up, and whoever writes without a pause would keep the others waiting. Raises what the database raises.
    """
    database = Database(config)
    try:
        await require_current(database)
        taggings, removed, kept, behind = Taggings(database), 0, 0, 0
        with progress.track("answers looked at", None) as advance:
            began_s = perf_counter()
            while (page := await taggings.prune(before, behind, at_once)) is not None:
                behind, removed, kept = page.last, removed + page.removed, kept + page.kept
                advance(page.looked_at)
                # All are looked at: behind answers of a clock that was ahead for a while stand older ones.
                if page.looked_at < at_once:
                    break
                await sleep(perf_counter() - began_s)
                began_s = perf_counter()
        size = await Size(database).now()
    finally:
        await database.close()
    return PruneReport(before.isoformat(timespec="seconds"), removed, kept, size)
