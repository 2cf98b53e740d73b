"""Results: what was answered for a video, and what a bundle in shadow would have."""

import json
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
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
    """What a caller wants of an answer; None: what the bundle is configured to give."""

    max_tags: int | None = None
    min_confidence: float | None = None
    precision: float | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name} is {value}")

    @property
    def text(self) -> str:
        """Equal for equal wishes."""
        floats = {"min_confidence": self.min_confidence, "precision": self.precision}
        wishes = {"max_tags": self.max_tags} | {k: None if v is None else float(v) for k, v in floats.items()}
        return json.dumps({name: wish for name, wish in wishes.items() if wish is not None})


@dataclass(frozen=True, slots=True)
class TaggingKey:
    """What makes two calls the same one."""

    video_id: str
    content_hash: str  # of all that was looked at; what it covers is the caller's to say
    bundle_version: str
    asked: TaggingOptions
    role: Role = "active"

    def __post_init__(self) -> None:
        """Raises InvalidRecordError."""
        require_text("video_id", self.video_id, ID_BYTES)
        require_text("content_hash", self.content_hash)
        require_text("bundle_version", self.bundle_version)


@dataclass(frozen=True, slots=True)
class Tagging:
    key: TaggingKey
    video: VideoRef  # as its caller described it; content that was sent is not kept
    answer: RankedTags
    at: datetime
    last_edit: int = 0  # number of the last tag edit that the answer knew; 0: there was none

    def __post_init__(self) -> None:
        require_time(self.at)
        of = (self.answer.video_id, self.answer.bundle_version)
        if of != (self.key.video_id, self.key.bundle_version) or self.video.video_id != self.key.video_id:
            raise ValueError(f"an answer of {of} under {self.key}")


@dataclass(frozen=True, slots=True)
class Pair:
    """One request, answered by one bundle, and by another in its shadow."""

    active: Tagging
    shadow: Tagging


@dataclass(frozen=True, slots=True)
class Pruned:
    """What became of some answers, in the order of their numbers."""

    last: int  # number of the last of them
    looked_at: int
    removed: int
    kept: int  # old enough, and people said something of the video


class Taggings:
    """Database says what each method raises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, tagging: Tagging) -> Tagging:
        """What is stored under the key, on the disk: this, or what somebody stored before, which is left as it is."""
        row = _wanted(tagging.key) | {
            "video": asdict(tagging.video),
            "answer": answer_to_json(tagging.answer),
            "last_edit": tagging.last_edit,
            "at": tagging.at,
        }

        def work(connection: Connection) -> RowMapping | None:
            # Waits for a writer of the same key; sees what that one has committed.
            while connection.execute(_PUT[connection.dialect.name], row).scalar_one_or_none() is None:
                stored = connection.execute(_GET, _wanted(tagging.key)).mappings().one_or_none()
                if stored is not None:  # else it was pruned between the two statements
                    return stored
            return None

        stored = await self._database.write(work)
        return tagging if stored is None else _tagging(stored)

    async def get(self, key: TaggingKey) -> Tagging | None:
        row = await self._database.read(
            lambda connection: connection.execute(_GET, _wanted(key)).mappings().one_or_none()
        )
        return _tagging(row) if row else None

    async def latest(
        self, video_id: str, content_hash: str | None = None, bundle_version: str | None = None
    ) -> Tagging | None:
        """The last answer given for a video; where stated, of this content and by this bundle, also in its shadow.

        Raises InvalidRecordError for what no key can be.
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

    async def pairs(self, active_version: str, shadow_version: str, since: datetime) -> AsyncIterator[Pair]:
        """The requests that both bundles answered, the shadow since then; in the order in which it did, about.

        Raises InvalidRecordError for what no version can be.
        """
        require_text("active_version", active_version)
        require_text("shadow_version", shadow_version)
        active, shadow = taggings.alias("active"), taggings.alias("shadow")
        same = and_(
            *(active.c[name] == shadow.c[name] for name in ("video_id", "content_hash", "asked")),
            active.c.bundle_version == active_version,
            active.c.role == "active",
        )
        asked = (
            select(active, *(column.label(f"shadow_{column.name}") for column in shadow.c))
            .select_from(shadow.join(active, same))
            .where(shadow.c.bundle_version == shadow_version, shadow.c.role == "shadow", shadow.c.at >= since)
            .order_by(shadow.c.number)
            .limit(PAGE)
        )
        number = 0
        while True:
            page = await self._rows(asked.where(shadow.c.number > number))
            for row in page:
                yield Pair(_tagging(row), _tagging(row, "shadow_"))
            if len(page) < PAGE:
                return
            number = page[-1]["shadow_number"]

    async def prune(self, before: datetime, behind: int, limit: int) -> Pruned | None:
        """Removes, of the first `limit` answers behind a number, those from before a moment, but for videos on which
        there is feedback, whichever answer it was about. None where there are no more answers.
        """
        number, at = taggings.c.number, taggings.c.at
        page = select(number, at).where(number > behind).order_by(number).limit(limit).subquery()
        old = func.count().filter(page.c.at < before)
        of_page = select(func.count(), func.max(page.c.number), old).select_from(page)
        looked_at, last, due = await self._database.read(lambda connection: connection.execute(of_page).one())
        if not looked_at:
            return None
        if not due:  # as of most: no writer waits for those
            return Pruned(last, looked_at, 0, 0)
        of_old = (number > behind, number <= last, at < before)
        has_feedback = exists().where(feedback.c.video_id == taggings.c.video_id)

        def work(connection: Connection) -> Pruned:
            removed = connection.execute(delete(taggings).where(*of_old, ~has_feedback)).rowcount
            kept = connection.execute(select(func.count()).where(*of_old)).scalar_one()
            return Pruned(last, looked_at, removed, kept)

        return await self._database.write(work)

    async def _rows(self, statement: Select[Any]) -> Sequence[RowMapping]:
        return await self._database.read(lambda connection: connection.execute(statement).mappings().all())


# Put together once: that takes longer than SQLite needs to execute them.
_KEY = ("video_id", "content_hash", "asked", "bundle_version", "role")
_GET = select(taggings).where(*(taggings.c[name] == bindparam(name) for name in _KEY))
_PUT = {
    name: dialect.insert(taggings).on_conflict_do_nothing().returning(taggings.c.number)
    for name, dialect in {"sqlite": sqlite, "postgresql": postgresql}.items()
}


def _wanted(key: TaggingKey) -> dict[str, Any]:
    """What _GET is given."""
    return {
        "video_id": key.video_id,
        "content_hash": key.content_hash,
        "asked": key.asked.text,
        "bundle_version": key.bundle_version,
        "role": key.role,
    }


def _tagging(row: RowMapping, prefix: str = "") -> Tagging:
    def at(name: str) -> Any:
        return row[prefix + name]

    asked = TaggingOptions(**json.loads(at("asked")))
    key = TaggingKey(at("video_id"), at("content_hash"), at("bundle_version"), asked, at("role"))
    return Tagging(key, VideoRef(**at("video")), answer_from_json(at("answer")), at("at"), at("last_edit"))
