"""The call that tags a video: what happens during the lookup of a stored answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tagging.media.source import OpenFile
from tagging.pipeline.stages import untimed
from tagging.service.calls.requests import TagRequest
from tagging.service.calls.videos import VideoCalls
from tagging.store.database.taggings import Tagging, TaggingKey, TaggingOptions
from tagging.types import RankedTags, VideoRef
from tests.support.database_records import NOON

pytestmark = pytest.mark.anyio


class Lookup:
    """A service of which a test sees and holds the lookup and the models."""

    def __init__(self, path: Path) -> None:
        self.events: list[str] = []
        self._path = path
        self.metrics: Any = SimpleNamespace(videos=SimpleNamespace(labels=lambda _: SimpleNamespace(inc=lambda: None)))

    @asynccontextmanager
    async def admit(self, video: VideoRef, content: bytes | None) -> AsyncIterator[Any]:
        yield SimpleNamespace(version="b", tagger=None, tags=None)

    @asynccontextmanager
    async def open(self, uri: str) -> AsyncIterator[OpenFile]:
        with self._path.open("rb") as file:
            yield OpenFile(file.fileno(), uri)

    async def tag(self, *_: object) -> tuple[Any, RankedTags]:
        self.events.append("models")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.events.append("cancelled")
            raise
        raise AssertionError("nothing sets the event")

    async def get(self, key: TaggingKey) -> Tagging:
        await asyncio.sleep(0.01)
        self.events.append("found")
        return Tagging(key, VideoRef(key.video_id, title="a title"), RankedTags(key.video_id, (), (), (), "b"), NOON)


@pytest.mark.parametrize(
    ("uri", "expected"), [(None, ["models", "found", "cancelled"]), ("/clips/a.mp4", ["found"])], ids=["text", "media"]
)
async def test_texts_are_tagged_during_the_lookup_and_media_after_it(
    tmp_path: Path, uri: str | None, expected: list[str]
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"bytes of a film")
    lookup: Any = Lookup(tmp_path / "a.mp4")
    records: Any = SimpleNamespace(taggings=lookup, labelled=None, clock=None)
    lookup.bundles = shadow = None
    telemetry: Any = SimpleNamespace(metrics=lookup.metrics, stages=untimed)
    calls = VideoCalls(lookup, lookup, records, shadow, telemetry)  # type: ignore[arg-type]
    request = TagRequest(replace(VideoRef("a", title="a title"), uri=uri), None, TaggingOptions(), evidence=False)
    assert (await calls.tag(request)).from_store
    assert lookup.events == expected
