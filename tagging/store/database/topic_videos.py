"""Table of the videos of topics: which videos each topic has, and since when."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from hashlib import blake2b
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    FromClause,
    delete,
    func,
    insert,
    literal,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from tagging.store.database.database import Database
from tagging.store.database.schema import engagement_events, loaded_models, topic_videos
from tagging.store.database.texts import ID_BYTES, require_text, require_time
from tagging.store.database.video_counts import copied, lock_counts
from tagging.store.topic_video import AssignedVideo

BATCH = 500  # videos of a transaction; PostgreSQL takes 32,767 parameters


class TopicVideos:
    """The videos of topics. Each method also raises what Database raises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, videos: Sequence[AssignedVideo], at: datetime) -> None:
        """Replace the topics of videos, in transactions of BATCH videos; a video that is known keeps its time.

        Raises InvalidRecordError for a video id that cannot be stored, before anything is written.
        """
        require_time(at)
        for video in videos:
            require_text("video_id", video.video_id, ID_BYTES)
        last = {video.video_id: video for video in videos}
        ordered = [last[video_id] for video_id in sorted(last)]
        for start in range(0, len(ordered), BATCH):
            await self._database.write(partial(_replace, ordered[start : start + BATCH], at))

    async def topics_of(self, video_ids: Sequence[str]) -> Mapping[str, tuple[int, ...]]:
        """Return the topics of videos, best first; a video without any is missing."""
        columns = topic_videos.c
        statement = (
            select(columns.video_id, columns.topic_id)
            .where(columns.video_id.in_(set(video_ids)))
            .order_by(columns.video_id, columns.similarity.desc(), columns.topic_id)
        )
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        found: dict[str, tuple[int, ...]] = {}
        for video_id, topic in rows:
            found[video_id] = (*found.get(video_id, ()), topic)
        return found

    async def added_between(self, start: datetime, end: datetime) -> tuple[dict[int, int], int]:
        """Return the number of videos first assigned from `start` until `end`, by topic and in all.

        Those of the pools of models do not count: they may be of any age.
        """
        added_at, video_id = topic_videos.c.added_at, topic_videos.c.video_id
        is_of_pool = added_at.in_(select(loaded_models.c.at))
        return await self._counts(topic_videos, video_id, added_at >= start, added_at < end, ~is_of_pool)

    async def clicked_between(self, start: datetime, end: datetime) -> tuple[dict[int, int], int]:
        """Return the number of known users who clicked from `start` until `end`, by topic and in all."""
        events = engagement_events.c
        clicks = topic_videos.join(engagement_events, topic_videos.c.video_id == events.video_id)
        return await self._counts(
            clicks, events.user_id, events.kind == "click", events.user_id != "", events.at >= start, events.at < end
        )

    async def _counts(
        self, rows: FromClause, counted: Column[str], *where: ColumnElement[bool]
    ) -> tuple[dict[int, int], int]:
        """Return the number of different values of a column, by topic and in all."""
        number = func.count(counted.distinct())
        by_topic = select(topic_videos.c.topic_id, number).select_from(rows).where(*where)
        of_all = select(literal(_ALL), number).select_from(rows).where(*where)
        both = union_all(by_topic.group_by(topic_videos.c.topic_id), of_all)  # one statement, so one state
        found: dict[int, int] = await self._database.read(lambda connection: dict(connection.execute(both).all()))
        return {topic: count for topic, count in found.items() if topic != _ALL}, found[_ALL]

    async def is_loaded(self, version: str) -> bool:
        """Return whether the pool of a topic model was put completely, and nothing of another pool since."""
        columns = loaded_models.c
        loaded = select(columns.version).where(columns.loaded_at.is_not(None))
        last = loaded.order_by(columns.loaded_at.desc()).limit(1)
        return await self._database.read(lambda connection: connection.execute(last).scalar() == version)

    async def begin_load(self, version: str, at: datetime) -> datetime:
        """Record that the pool of a topic model is being put, in place of any other; return the time to put it with.

        That is the time of its first load: an interrupted one, or one of another service, may have put some videos.
        """
        require_text("version", version)
        require_time(at)

        def work(connection: Connection) -> datetime:
            insert = _DIALECTS[connection.dialect.name].insert(loaded_models)
            connection.execute(insert.values(version=version, at=at).on_conflict_do_nothing())
            connection.execute(_NONE_LOADED)
            first = select(loaded_models.c.at).where(loaded_models.c.version == version)
            began_at: datetime = connection.execute(first).scalar_one()
            return began_at

        return await self._database.write(work)

    async def end_load(self, version: str, at: datetime) -> None:
        """Record that the pool of a topic model was put completely by a load that began at a time."""
        statement = update(loaded_models).where(loaded_models.c.version == version).values(loaded_at=at)

        def work(connection: Connection) -> None:
            connection.execute(_NONE_LOADED)  # not by the later time, as clocks go back
            connection.execute(statement)

        await self._database.write(work)


_ALL = -1  # in place of a topic id
_NONE_LOADED = update(loaded_models).where(loaded_models.c.loaded_at.is_not(None)).values(loaded_at=None)
_DIALECTS: Mapping[str, Any] = {"sqlite": sqlite, "postgresql": postgresql}


def _replace(videos: Sequence[AssignedVideo], at: datetime, connection: Connection) -> None:
    columns = topic_videos.c
    of_videos = columns.video_id.in_([video.video_id for video in videos])
    counts = lock_counts(connection, {video.video_id: at for video in videos})
    stored = select(columns.video_id, columns.added_at).where(of_videos)
    added: dict[str, datetime] = dict(connection.execute(stored).all())
    connection.execute(delete(topic_videos).where(of_videos))
    rows = [
        {
            "topic_id": topic,
            "video_id": video.video_id,
            "similarity": similarity,
            "added_at": added.get(video.video_id, at),
            "draw": draw_of(video.video_id),
            **copied(counts[video.video_id]),
        }
        for video in videos
        for topic, similarity in dict(video.topics).items()
    ]
    if rows:
        connection.execute(insert(topic_videos), rows)


def draw_of(video_id: str) -> int:
    """Return the 31 bits by which videos are drawn at random (topic_queues.py)."""
    return int.from_bytes(blake2b(video_id.encode(), digest_size=4).digest()) >> 1
