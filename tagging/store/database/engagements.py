"""Engagement tables: exposures and clicks as they are reported, and their decayed counts for each video.

An event counts once: its id is kept for as long as reports of its time are accepted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from tagging.store.database.database import Database
from tagging.store.database.schema import engagement_events, video_engagement
from tagging.store.database.texts import ID_BYTES, require_text, require_time
from tagging.store.engagement import Engagement

EventKind = Literal["exposure", "click"]


@dataclass(frozen=True, slots=True)
class EngagementEvent:
    """A user saw or clicked a video."""

    event_id: str
    video_id: str
    user_id: str  # empty if unknown
    kind: EventKind
    at: datetime

    def __post_init__(self) -> None:
        """Raises InvalidRecordError, and ValueError for an unknown kind or a time outside the supported range."""
        require_text("event_id", self.event_id, ID_BYTES)
        require_text("video_id", self.video_id, ID_BYTES)
        if self.user_id:
            require_text("user_id", self.user_id, ID_BYTES)
        if self.kind not in get_args(EventKind):
            raise ValueError(f"unknown kind of event {self.kind!r}")
        require_time(self.at)


class Engagements:
    """The events and counts. Each method also raises what Database raises."""

    def __init__(self, database: Database, half_life_s: float) -> None:
        self._database = database
        self._half_life_s = half_life_s

    async def report(self, events: Sequence[EngagementEvent]) -> int:
        """Count the events whose ids were not reported before, in one transaction, and return their number."""
        if not events:
            return 0
        # Every writer locks the rows in the same order: of events, then of counts.
        rows = [asdict(event) for event in sorted(events, key=lambda event: event.event_id)]
        by_id = {event.event_id: event for event in reversed(events)}

        def work(connection: Connection) -> int:
            dialect = connection.dialect.name
            new = [by_id[event_id] for event_id in connection.execute(_ADD_EVENT[dialect], rows).scalars()]
            self._add(connection, self._sums(new))
            return len(new)

        return await self._database.write(work)

    async def clicked(self, user_id: str, most: int) -> tuple[str, ...]:
        """Return the videos of the last `most` clicks of a user, the last first; a video may be in it repeatedly."""
        columns = engagement_events.c
        statement = (
            select(columns.video_id)
            .where(columns.user_id == user_id, columns.kind == "click")
            .order_by(columns.at.desc(), columns.event_id)
            .limit(most)
        )
        return await self._database.read(lambda connection: tuple(connection.execute(statement).scalars()))

    async def prune(self, events_before: datetime, counts_before: datetime, limit: int) -> int:
        """Remove at most `limit` events, and as many counts, that are older; return the number of both."""

        def work(connection: Connection) -> int:
            removed = 0
            for key, at, before in (
                (engagement_events.c.event_id, engagement_events.c.at, events_before),
                (video_engagement.c.video_id, video_engagement.c.at, counts_before),
            ):
                old = select(key).where(at < before).order_by(key).limit(limit).with_for_update()  # as `report` locks
                removed += connection.execute(delete(key.table).where(key.in_(old))).rowcount
            return removed

        return await self._database.write(work)

    def _sums(self, events: Sequence[EngagementEvent]) -> dict[str, Engagement]:
        """Return the counts of events by video, in the order of the ids."""
        sums: dict[str, Engagement] = {}
        for event in sorted(events, key=lambda event: event.video_id):
            one_event = Engagement(float(event.kind == "exposure"), float(event.kind == "click"), event.at)
            known = sums.get(event.video_id)
            sums[event.video_id] = one_event if known is None else known.plus(one_event, self._half_life_s)
        return sums

    def _add(self, connection: Connection, sums: Mapping[str, Engagement]) -> None:
        """Add to the counts of videos, whose rows stay locked until the end of the transaction."""
        if not sums:
            return
        zeros = [_columns(video_id, Engagement(0.0, 0.0, added.at)) for video_id, added in sums.items()]
        totals = []
        for video_id, *counts in connection.execute(_LOCK_COUNTS[connection.dialect.name], zeros):
            total = Engagement(*counts).plus(sums[video_id], self._half_life_s)
            totals.append({f"new_{name}": value for name, value in _columns(video_id, total).items()})
        connection.execute(_SET_COUNTS, totals)


def _columns(video_id: str, counts: Engagement) -> dict[str, object]:
    return {"video_id": video_id, "exposures": counts.exposures, "clicks": counts.clicks, "at": counts.at}


def _locking(insert: Any) -> Any:
    """Return the statement that adds zeros for a video without counts, and returns all counts with their rows locked.

    In one statement: between two, another writer may prune the counts.
    """
    unchanged = {"video_id": insert.excluded.video_id}
    return insert.on_conflict_do_update(index_elements=["video_id"], set_=unchanged).returning(video_engagement)


# Built once: building a statement takes longer than SQLite needs to execute it.
_DIALECTS = {"sqlite": sqlite, "postgresql": postgresql}
_ADD_EVENT = {
    name: dialect.insert(engagement_events).on_conflict_do_nothing().returning(engagement_events.c.event_id)
    for name, dialect in _DIALECTS.items()
}
_LOCK_COUNTS = {name: _locking(dialect.insert(video_engagement)) for name, dialect in _DIALECTS.items()}
_SET_COUNTS = (
    update(video_engagement)
    .where(video_engagement.c.video_id == bindparam("new_video_id"))
    .values({name: bindparam(f"new_{name}") for name in ("exposures", "clicks", "at")})
)
