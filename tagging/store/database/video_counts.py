"""Table of the decayed counts of each video, and their copies in the rows of its topics, which order queues.

Every writer of the counts or of the topics of videos locks their counts first, in the order of their ids. So writers of
one video take turns, and no two writers wait for each other.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tagging.store.database.schema import topic_videos, video_engagement
from tagging.store.engagement import Engagement


def lock_counts(connection: Connection, times: Mapping[str, datetime]) -> dict[str, Engagement]:
    """Return the counts of videos, whose rows stay locked until the end of the transaction.

    times: by video; a video without counts gets zeros of that time
    """
    if not times:
        return {}
    zeros = [_columns(video_id, Engagement(0.0, 0.0, times[video_id])) for video_id in sorted(times)]
    rows = connection.execute(_LOCK[connection.dialect.name], zeros)
    return {video_id: Engagement(*counts) for video_id, *counts in rows}


def set_counts(connection: Connection, counts: Mapping[str, Engagement]) -> None:
    """Replace the counts of videos that this transaction has locked."""
    if not counts:
        return
    connection.execute(_SET_COUNTS, [_renamed(_columns(*item)) for item in counts.items()])
    copies = [_renamed({"video_id": video_id, **copied(engagement)}) for video_id, engagement in counts.items()]
    connection.execute(_SET_COPIES, copies)


def prune_counts(connection: Connection, before: datetime, limit: int) -> int:
    """Remove at most `limit` counts that are older, and return their number."""
    columns = video_engagement.c
    oldest = select(columns.video_id).where(columns.at < before).order_by(columns.video_id).limit(limit)
    locked = connection.execute(oldest.with_for_update()).scalars().all()
    if locked:
        connection.execute(delete(video_engagement).where(columns.video_id.in_(locked)))
        counted = topic_videos.c.video_id.in_(locked), topic_videos.c.exposures + topic_videos.c.clicks > 0
        connection.execute(update(topic_videos).where(*counted).values(copied(Engagement(0.0, 0.0, before))))
    return len(locked)


def copied(engagement: Engagement) -> dict[str, float]:
    """Return the columns of the rows of a video's topics that follow from its counts."""
    is_counted = engagement.exposures or engagement.clicks
    return {
        "exposures": engagement.exposures,
        "clicks": engagement.clicks,
        "counted_s": engagement.at.timestamp() if is_counted else 0.0,
        "click_rate": engagement.click_rate,
        "log2_exposures": math.log2(engagement.exposures) if engagement.exposures else -math.inf,
    }


def _columns(video_id: str, counts: Engagement) -> dict[str, object]:
    return {"video_id": video_id, "exposures": counts.exposures, "clicks": counts.clicks, "at": counts.at}


def _renamed(columns: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters of an update: SQLAlchemy reserves the names of columns."""
    return {f"new_{name}": value for name, value in columns.items()}


def _locking(insert: Any) -> Any:
    """Return the statement that adds zeros for a video without counts, and returns all counts with their rows locked.

    In one statement: between two, another writer may prune the counts.
    """
    unchanged = {"video_id": insert.excluded.video_id}
    return insert.on_conflict_do_update(index_elements=["video_id"], set_=unchanged).returning(video_engagement)


# Built once: building a statement takes longer than SQLite needs to execute it.
_DIALECTS: Mapping[str, Any] = {"sqlite": sqlite, "postgresql": postgresql}
_LOCK = {name: _locking(dialect.insert(video_engagement)) for name, dialect in _DIALECTS.items()}
_SET_COUNTS, _SET_COPIES = (
    update(table)
    .where(table.c.video_id == bindparam("new_video_id"))
    .values({name: bindparam(f"new_{name}") for name in names})
    for table, names in (
        (video_engagement, ("exposures", "clicks", "at")),
        (topic_videos, ("exposures", "clicks", "counted_s", "click_rate", "log2_exposures")),
    )
)
