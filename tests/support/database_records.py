"""Configurations, records of every log, and answers, for tests."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.util import await_only

from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.feedback import Feedback, FeedbackLog, NamedTag
from tagging.store.database.labelled_videos import LabelledLog, LabelledRecord
from tagging.store.database.log import Log
from tagging.store.database.tag_edits import TagEdits
from tagging.store.database.taggings import Role, Tagging, TaggingKey, TaggingOptions
from tagging.tags.edits.edit import TagEdit
from tagging.types import Evidence, Numbered, Origin, RankedTag, RankedTags, TimeSpan, VideoRef

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def database_at(url: str, **changed: float) -> DatabaseConfig:
    return DatabaseConfig.model_validate({"url": url, **changed})


def url_of(config: DatabaseConfig) -> str:
    assert config.url is not None
    return config.url.get_secret_value()


def edit(request_id: str, client: str = "editor@example.com", at: datetime = NOON, **changed: Any) -> TagEdit:
    created = TagEdit("create", "00ff", {}, {"name": "gümüş 銀"}, origin=Origin(request_id, client, at))
    return replace(created, **changed)


def feedback(request_id: str, client: str = "rater", at: datetime = NOON, **changed: Any) -> Feedback:
    accepted, rejected = (NamedTag("1", "cat"), NamedTag("2", "dog")), (NamedTag("3", "\ud83d half \x00 zero"),)
    origin = Origin(request_id, client, at)
    return replace(Feedback("v1", "b1", accepted, rejected, (NamedTag(None, "new"),), origin), **changed)


def labelled(request_id: str, client: str = "ingest", at: datetime = NOON, **changed: Any) -> LabelledRecord:
    record = LabelledRecord("v1", "added", bytes(range(256)), Origin(request_id, client, at))
    return replace(record, **changed)


def request_id_of(entry: Numbered[Any]) -> str:
    origin: Origin | None = entry.record.origin
    assert origin is not None
    return origin.request_id


LOGS: list[tuple[type[Log[Any]], Callable[..., Any]]] = [
    (TagEdits, edit),
    (FeedbackLog, feedback),
    (LabelledLog, labelled),
]


def tagging(
    video_id: str = "v1",
    bundle: str = "b1",
    role: Role = "active",
    content_hash: str = "abc",
    options: TaggingOptions = TaggingOptions(),  # noqa: B008 - a value
    name: str = "cat",
    minutes: float = 0,
) -> Tagging:
    """Return a tagging with one tag.

    minutes: time of tagging, after NOON
    """
    answer = RankedTags(video_id, (RankedTag("1", name, 0.1 + 0.2, {"text": 1 / 3}),), ("text",), (), bundle)
    key = TaggingKey(video_id, content_hash, bundle, options, role)
    video = VideoRef(video_id, None, "title", uploader_id="u")
    return Tagging(key, video, answer, NOON + timedelta(minutes=minutes), last_edit=3)


EVERY_EVIDENCE = (
    Evidence("text", "video", 0.1, video_id="v9", title="Half \ud83d and \x00"),
    Evidence("written", "text", 2 / 3, text="чай"),
    Evidence("seen", "frame", 1e-9, frame=1, frames=16),
    Evidence("seen", "frame", 1e-9, frame=1, frames=16, start_s=0.0, end_s=0.1),
    Evidence("heard", "sound", 1.0, start_s=0.0),
    Evidence("spoken", "speech", 0.1, text="чай", start_s=1 / 3, end_s=7.0),
    Evidence("shown", "screen", 0.1, text="TEA", start_s=0.0, end_s=0.0),
    Evidence("uploader", "uploader", 0.5, text="used 3 times"),
)
SPANS = (TimeSpan(1 / 3, 7.0, "speech", 0.1), TimeSpan(5.0, 5.0, "audio", 1.0))
EVERYTHING = RankedTags(
    "v1",
    (
        RankedTag("1", "cat", 0.9, {"text": 0.1, "seen": 0.30000000000000004}, EVERY_EVIDENCE),
        RankedTag("2", "", 0.0, {}, (), True),
        RankedTag("3", "tea", 0.5, {"spoken": 0.5}, spans=SPANS),
    ),
    ("text", "frames", "audio", "speech", "screen"),
    ("the sound was cut after 300 s",),
    "b1",
)


def await_within(database: Database, loop: asyncio.AbstractEventLoop, others: Coroutine[Any, Any, object]) -> None:
    """Run `others` to their end within a transaction, which continues afterwards."""
    if database.file:  # the transaction runs in a thread
        asyncio.run_coroutine_threadsafe(others, loop).result()
    else:
        await_only(others)
