"""Table of engagement events: exposures and clicks as they are reported, and added to the counts of their videos.

An event counts once: its id is kept for as long as reports of its time are accepted.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from tagging.store.database.database import Database
from tagging.store.database.schema import engagement_events
from tagging.store.database.texts import ID_BYTES, require_text, require_time
from tagging.store.database.video_counts import lock_counts, prune_counts, set_counts
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
            self._add(connection, new)
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
            key, at = engagement_events.c.event_id, engagement_events.c.at
            old = select(key).where(at < events_before).order_by(key).limit(limit)
            in_order = old.with_for_update()  # as `report` locks
            removed = connection.execute(delete(engagement_events).where(key.in_(in_order))).rowcount
            return removed + prune_counts(connection, counts_before, limit)

        return await self._database.write(work)

    def _add(self, connection: Connection, events: Sequence[EngagementEvent]) -> None:
        """Add events to the counts of their videos."""
        sums: dict[str, Engagement] = {}
        for event in events:
            one_event = Engagement(float(event.kind == "exposure"), float(event.kind == "click"), event.at)
            known = sums.get(event.video_id)
            sums[event.video_id] = one_event if known is None else known.plus(one_event, self._half_life_s)
        counts = lock_counts(connection, {video_id: added.at for video_id, added in sums.items()})
        totals = {video_id: known.plus(sums[video_id], self._half_life_s) for video_id, known in counts.items()}
        set_counts(connection, totals)


# Built once: building a statement takes longer than SQLite needs to execute it.
_ADD_EVENT = {
    name: dialect.insert(engagement_events).on_conflict_do_nothing().returning(engagement_events.c.event_id)
    for name, dialect in {"sqlite": sqlite, "postgresql": postgresql}.items()
}
