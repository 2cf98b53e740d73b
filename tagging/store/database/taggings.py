"""Results: what was answered for a video, and what a bundle in shadow would have."""

import json
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, RowMapping, Select, and_, select
from sqlalchemy.dialects import postgresql, sqlite

from tagging.store.database.answers import answer_from_json, answer_to_json
from tagging.store.database.database import Database, whole
from tagging.store.database.schema import taggings
from tagging.store.database.texts import ID_BYTES, require_moment, require_text
from tagging.types import RankedTags, VideoRef

PAGE = 100
Role = Literal["active", "shadow"]


@dataclass(frozen=True, slots=True)
class Asked:
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
    asked: Asked
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
        require_moment(self.at)
        of = (self.answer.video_id, self.answer.bundle_version)
        if of != (self.key.video_id, self.key.bundle_version) or self.video.video_id != self.key.video_id:
            raise ValueError(f"an answer of {of} under {self.key}")


@dataclass(frozen=True, slots=True)
class Pair:
    """One request, answered by one bundle, and by another in its shadow."""

    active: Tagging
    shadow: Tagging


class Taggings:
    """Database says what each method raises."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @whole
    async def put(self, tagging: Tagging) -> Tagging:
        """What is stored under the key, on the disk: this, or what somebody stored before, which is left as it is."""
        key = tagging.key
        row = {
            "video_id": key.video_id,
            "content_hash": key.content_hash,
            "asked": key.asked.text,
            "bundle_version": key.bundle_version,
            "role": key.role,
            "video": asdict(tagging.video),
            "answer": answer_to_json(tagging.answer),
            "last_edit": tagging.last_edit,
            "at": tagging.at,
        }
        async with self._database.writing() as connection:
            # Waits for a writer of the same key; sees what that one has committed.
            make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            inserted = make(taggings).values(row).on_conflict_do_nothing().returning(taggings.c.number)
            if (await connection.execute(inserted)).scalar_one_or_none() is not None:
                return tagging
            stored = await connection.execute(select(taggings).where(_is(key)))
            return _tagging(stored.mappings().one())

    @whole
    async def get(self, key: TaggingKey) -> Tagging | None:
        async with self._database.reading() as connection:
            row = (await connection.execute(select(taggings).where(_is(key)))).mappings().one_or_none()
        return _tagging(row) if row else None

    @whole
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
        async with self._database.reading() as connection:
            row = (await connection.execute(statement)).mappings().one_or_none()
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

    @whole
    async def _rows(self, statement: Select[Any]) -> Sequence[RowMapping]:
        async with self._database.reading() as connection:
            rows: Sequence[RowMapping] = (await connection.execute(statement)).mappings().all()
        return rows


def _is(key: TaggingKey) -> ColumnElement[bool]:
    return and_(
        taggings.c.video_id == key.video_id,
        taggings.c.content_hash == key.content_hash,
        taggings.c.asked == key.asked.text,
        taggings.c.bundle_version == key.bundle_version,
        taggings.c.role == key.role,
    )


def _tagging(row: RowMapping, prefix: str = "") -> Tagging:
    def at(name: str) -> Any:
        return row[prefix + name]

    asked = Asked(**json.loads(at("asked")))
    key = TaggingKey(at("video_id"), at("content_hash"), at("bundle_version"), asked, at("role"))
    return Tagging(key, VideoRef(**at("video")), answer_from_json(at("answer")), at("at"), at("last_edit"))
