"""Rows of the videos of topics: written with counts that would take many reports, and read as they are stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from tagging.store.database.database import Database
from tagging.store.database.schema import topic_videos, video_engagement
from tagging.store.database.topic_videos import draw_of
from tagging.store.database.video_counts import copied
from tagging.store.engagement import Engagement


@dataclass(frozen=True, slots=True)
class StoredVideo:
    """A video of a topic as it is stored."""

    video_id: str
    added_at: datetime
    exposures: float = 0.0
    clicks: float = 0.0


async def stored_videos(database: Database, topic: int) -> set[StoredVideo]:
    columns = topic_videos.c
    rows = select(columns.video_id, columns.added_at, columns.exposures, columns.clicks).where(
        columns.topic_id == topic
    )
    return await database.read(lambda connection: {StoredVideo(*row) for row in connection.execute(rows)})


async def stored_counts(database: Database, video_id: str) -> Engagement | None:
    columns = video_engagement.c
    row = select(columns.exposures, columns.clicks, columns.at).where(columns.video_id == video_id)
    found = await database.read(lambda connection: connection.execute(row).one_or_none())
    return Engagement(*found) if found is not None else None


@dataclass(frozen=True, slots=True)
class CountedRow:
    """A video to write, with its counts."""

    video_id: str
    added_at: datetime
    counts: Engagement


async def write_counted(database: Database, topic: int, videos: Sequence[CountedRow]) -> None:
    """Write new videos of a topic."""
    rows = [
        {
            "topic_id": topic,
            "video_id": video.video_id,
            "similarity": 0.5,
            "added_at": video.added_at,
            "draw": draw_of(video.video_id),
            **copied(video.counts),
        }
        for video in videos
    ]
    await database.write(lambda connection: connection.execute(insert(topic_videos), rows))
