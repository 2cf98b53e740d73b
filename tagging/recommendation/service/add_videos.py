"""Addition of new videos to the database of a recommendation service."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tagging.progress import Progress
from tagging.recommendation.service.validation import check_upload_ids
from tagging.recommendation.two_towers.new_videos import encode_new_videos
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.migrate import require_current
from tagging.store.database.video_vectors import VideoVectors
from tagging.store.features import FeatureStore


@dataclass(frozen=True, slots=True)
class AddReport:
    model_version: str
    videos: int
    without_any_view: tuple[str, ...]  # ids of the videos that cannot be recommended, as nothing is known of them


def add_videos(
    folder: Path,
    manifests: Sequence[Path],
    columns: Mapping[str, str],
    config: DatabaseConfig,
    store: FeatureStore,
    progress: Progress,
    at: datetime,
) -> AddReport:
    """Store the vectors of new videos, which a running service follows; a video that was added before is replaced.

    at: the time of the addition, with a time zone
    A killed addition has stored some of the videos; repeating it stores the rest. Raises DatabaseMismatchError for a
    database without current tables, before any work; the errors of `encode_new_videos` and `check_upload_ids`;
    InvalidRecordError for a video id that cannot be stored; and the errors of Database. Not for an event loop: it
    blocks.
    """
    asyncio.run(_on_database(config, require_current))
    new = encode_new_videos(folder, manifests, columns, store, progress)
    check_upload_ids(new.video_ids)

    async def put(database: Database) -> None:
        vectors = VideoVectors(database, new.model_version, new.vectors.shape[1])
        await vectors.put(new.video_ids, new.vectors, at)

    asyncio.run(_on_database(config, put))
    return AddReport(new.model_version, len(new.video_ids), new.without_any_view)


async def _on_database(config: DatabaseConfig, work: Callable[[Database], Awaitable[None]]) -> None:
    database = Database(config)
    try:
        await work(database)
    finally:
        await database.close()
