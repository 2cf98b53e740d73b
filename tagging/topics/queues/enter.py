"""Entry of newly assigned videos into the topic queues of a database."""

from collections.abc import Sequence
from datetime import datetime

from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.migrate import require_current
from tagging.store.database.topic_videos import TopicVideos
from tagging.store.topic_video import AssignedVideo


async def require_tables(config: DatabaseConfig) -> None:
    """Raise DatabaseMismatchError for a database without current tables, or an error of Database."""
    database = Database(config)
    try:
        await require_current(database)
    finally:
        await database.close()


async def enter_videos(config: DatabaseConfig, videos: Sequence[AssignedVideo], at: datetime) -> None:
    """Put videos into the queues of their topics, which a running service reads at once; earlier topics are replaced.

    Raises DatabaseMismatchError for a database without current tables, InvalidRecordError for a video id that cannot be
    stored, and the errors of Database.
    """
    database = Database(config)
    try:
        await require_current(database)
        await TopicVideos(database).put(videos, at)
    finally:
        await database.close()
