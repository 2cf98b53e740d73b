"""Stored taggings: the answers of the active bundle, and of the shadow bundle to the same requests."""

import json
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, RowMapping, Select, and_, bindparam, delete, exists, func, select
from sqlalchemy.dialects import postgresql, sqlite

from tagging.store.answer_json import answer_from_json, answer_to_json
from tagging.store.database.database import Database
from tagging.store.database.schema import feedback, taggings
from tagging.store.database.texts import ID_BYTES, require_text, require_time
from tagging.types import RankedTags, VideoRef

PAGE = 100
Role = Literal["active", "shadow"]


@dataclass(frozen=True, slots=True)
class TaggingOptions:
    """Limits on the answer in a request; None: the configuration of the bundle."""

    max_tags: int | None = None
    min_confidence: float | None = None
    precision: float | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a number that is not finite."""
        for name in ("max_tags", "min_confidence", "precision"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name} is {value}")

    @property
    def text(self) -> str:
        """Return the options as JSON, equal for equal options; part of the stored key."""
        floats = {"min_confidence": self.min_confidence, "precision": self.precision}
        options = {"max_tags": self.max_tags} | {k: None if v is None else float(v) for k, v in floats.items()}
        return json.dumps({name: value for name, value in options.items() if value is not None})


@dataclass(frozen=True, slots=True)
class TaggingKey:
    """The identity of a tagging: calls with the same key get the same stored answer."""

    video_id: str
    content_hash: str  # hash of everything that affects the answer; computed by the caller
    bundle_version: str
    options: TaggingOptions
    role: Role = "active"

    def __post_init__(self) -> None:
        """Raises InvalidRecordError."""
        require_text("video_id", self.video_id, ID_BYTES)
        require_text("content_hash", self.content_hash)
        require_text("bundle_version", self.bundle_version)


@dataclass(frozen=True, slots=True)
class Tagging:
    """A stored answer."""

    key: TaggingKey
    video: VideoRef  # as described in the request; uploaded content is not stored
    answer: RankedTags
    at: datetime
    last_edit: int = 0  # number of the last tag edit that the answer takes into account; 0 for none

    def __post_init__(self) -> None:
        """Raises ValueError for a time outside the supported range, and for an answer that does not fit the key."""
        require_time(self.at)
        answered = (self.answer.video_id, self.answer.bundle_version)
        if answered != (self.key.video_id, self.key.bundle_version) or self.video.video_id != self.key.video_id:
            raise ValueError(f"an answer of {answered} under {self.key}")


@dataclass(frozen=True, slots=True)
class TaggingPair:
    """One request answered by both the active and the shadow bundle."""

    active: Tagging
    shadow: Tagging


@dataclass(frozen=True, slots=True)
class Pruned:
    """The result of pruning a range of taggings, in the order of their numbers."""

    last: int  # number of the last one of the range
    looked_at: int
    removed: int
    kept: int  # old enough to remove, but kept because of feedback on the video


class Taggings:
    """The table of taggings. Each method also raises what Database raises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, tagging: Tagging) -> Tagging:
        """Store a tagging unless its key is taken; return the tagging that is on disk under the key."""
        row = _key_columns(tagging.key) | {
            "video": {name: getattr(tagging.video, name) for name in _VIDEO_FIELDS},
            "answer": answer_to_json(tagging.answer),
            "last_edit": tagging.last_edit,
            "at": tagging.at,
        }

        def work(connection: Connection) -> RowMapping | None:
            # The insert waits for another writer of the same key, and the select then sees the row of that writer.
            while connection.execute(_PUT[connection.dialect.name], row).scalar_one_or_none() is None:
                stored = connection.execute(_GET, _key_columns(tagging.key)).mappings().one_or_none()
                if stored is not None:  # None: it was pruned between the two statements
                    return stored
            return None

        stored = await self._database.write(work)
        return tagging if stored is None else _tagging(stored)

    async def get(self, key: TaggingKey) -> Tagging | None:
        """Return the tagging stored under a key, or None."""
        row = await self._database.read(
            lambda connection: connection.execute(_GET, _key_columns(key)).mappings().one_or_none()
        )
        return _tagging(row) if row else None

    async def latest(
        self, video_id: str, content_hash: str | None = None, bundle_version: str | None = None
    ) -> Tagging | None:
        """Return the last tagging of a video, optionally only of this content and of this bundle.

        With a bundle version, its answers as the shadow bundle count too; without one, only answers of active bundles.
        Raises InvalidRecordError for a value that is invalid in a key.
        """
        require_text("video_id", video_id, ID_BYTES)
        narrower = {"content_hash": content_hash, "bundle_version": bundle_version}
        for name, value in narrower.items():
            if value is not None:
                require_text(name, value)
        statement = (
            select(taggings)
            .where(taggings.c.video_id == video_id)
            .where(*(() if bundle_version else (taggings.c.role == "active",)))
            .where(*(taggings.c[name] == value for name, value in narrower.items() if value is not None))
            .order_by(taggings.c.number.desc())
            .limit(1)
        )
        row = await self._database.read(lambda connection: connection.execute(statement).mappings().one_or_none())
        return _tagging(row) if row else None

    async def pairs(self, active_version: str, shadow_version: str, since: datetime) -> AsyncIterator[TaggingPair]:
        """Yield the requests that both bundles answered, the shadow bundle since the given time, roughly in its order.

        Raises InvalidRecordError for an invalid version.
        """
        require_text("active_version", active_version)
        require_text("shadow_version", shadow_version)
        active, shadow = taggings.alias("active"), taggings.alias("shadow")
        same = and_(
            *(active.c[name] == shadow.c[name] for name in ("video_id", "content_hash", "asked")),
            active.c.bundle_version == active_version,
            active.c.role == "active",
        )
        pairs = (
            select(active, *(column.label(f"shadow_{column.name}") for column in shadow.c))
            .select_from(shadow.join(active, same))
            .where(shadow.c.bundle_version == shadow_version, shadow.c.role == "shadow", shadow.c.at >= since)
            .order_by(shadow.c.number)
            .limit(PAGE)
        )
        number = 0
        while True:
            page = await self._rows(pairs.where(shadow.c.number > number))
            for row in page:
                yield TaggingPair(_tagging(row), _tagging(row, "shadow_"))
            if len(page) < PAGE:
                return
            number = page[-1]["shadow_number"]

    async def prune(self, before: datetime, after: int, limit: int) -> Pruned | None:
        """Remove the taggings older than `before` among the `limit` that follow number `after`.

        Taggings of videos with feedback are kept, whichever answer the feedback is about. Returns None at the end.
        """
        number, at = taggings.c.number, taggings.c.at
        page = select(number, at).where(number > after).order_by(number).limit(limit).subquery()
        old = func.count().filter(page.c.at < before)
        of_page = select(func.count(), func.max(page.c.number), old).select_from(page)
        looked_at, last, due = await self._database.read(lambda connection: connection.execute(of_page).one())
        if not looked_at:
            return None
        if not due:  # the usual case, without a write lock
            return Pruned(last, looked_at, 0, 0)
        of_old = (number > after, number <= last, at < before)
        has_feedback = exists().where(feedback.c.video_id == taggings.c.video_id)

        def work(connection: Connection) -> Pruned:
            removed = connection.execute(delete(taggings).where(*of_old, ~has_feedback)).rowcount
            kept = connection.execute(select(func.count()).where(*of_old)).scalar_one()
            return Pruned(last, looked_at, removed, kept)

        return await self._database.write(work)

    async def _rows(self, statement: Select[Any]) -> Sequence[RowMapping]:
        return await self._database.read(lambda connection: connection.execute(statement).mappings().all())


# Built once: building a statement takes longer than SQLite needs to execute it.
_VIDEO_FIELDS = tuple(field.name for field in fields(VideoRef))
_KEY = ("video_id", "content_hash", "asked", "bundle_version", "role")
_GET = select(taggings).where(*(taggings.c[name] == bindparam(name) for name in _KEY))
_PUT = {
    name: dialect.insert(taggings).on_conflict_do_nothing().returning(taggings.c.number)
    for name, dialect in {"sqlite": sqlite, "postgresql": postgresql}.items()
}


def _key_columns(key: TaggingKey) -> dict[str, Any]:
    """Return the parameters of _GET."""
    return {
        "video_id": key.video_id,
        "content_hash": key.content_hash,
        "asked": key.options.text,
        "bundle_version": key.bundle_version,
        "role": key.role,
    }


def _tagging(row: RowMapping, prefix: str = "") -> Tagging:
    def column(name: str) -> Any:
        return row[prefix + name]

    options = TaggingOptions(**json.loads(column("asked")))
    key = TaggingKey(column("video_id"), column("content_hash"), column("bundle_version"), options, column("role"))
    video, answer = VideoRef(**column("video")), answer_from_json(column("answer"))
    return Tagging(key, video, answer, column("at"), column("last_edit"))
