"""Bundles that are switched and cast: which of them there are, and callers that go away meanwhile."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tagging.errors import ArtifactNotFoundError, BackendUnavailableError
from tagging.maintenance.add_tags import add_tags
from tagging.media.read_ahead import ReadVideo
from tagging.pipeline.stages import Stage
from tagging.service.bundles.loaded_bundle import LoadedBundle
from tagging.service.bundles.registry import BundleRegistry
from tagging.service.inference.model_thread import ModelThread
from tagging.store.database.log import Numbered
from tagging.store.labelled_log import to_bytes
from tagging.types import LabelledVideo, VideoRef
from tests.support.clocks import NOW
from tests.support.database_records import NOON, edit, labelled

pytestmark = pytest.mark.anyio


class Empty:
    """A log without entries, whose reader waits until it may go on."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.ended = 0

    async def all_after(self, number: int) -> Any:
        await self.go_on.wait()
        self.ended += 1
        for nothing in tuple[int, ...]():
            yield nothing

    async def after(self, number: int, limit: int) -> tuple[()]:
        return ()


async def test_a_switch_that_fails_when_its_caller_is_gone_is_not_told_as_a_forgotten_error() -> None:
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    empty: Any = Empty()
    bundles = BundleRegistry(None, ModelThread(), empty, empty, lambda: NOON)
    with pytest.raises(ArtifactNotFoundError):
        await bundles.activate("one", None)
    for wait in range(5):
        caller = asyncio.create_task(bundles.activate("one", None))
        for _ in range(wait):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
    await bundles.close()
    assert told == []


async def test_following_goes_on_when_its_caller_is_gone(tiny_starter: Path) -> None:
    empty: Any = Empty()
    bundles = BundleRegistry(None, ModelThread(), empty, empty, lambda: NOON)
    empty.go_on.set()
    await bundles.start(tiny_starter)
    empty.go_on.clear()
    caller = asyncio.create_task(bundles.follow())
    await asyncio.sleep(0.01)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    before = empty.ended
    empty.go_on.set()
    await bundles.close()
    assert empty.ended == before + 1


class Told:
    """Stages that were timed."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def __call__(self, stage: Stage, /) -> AbstractContextManager[None]:
        self.stages.append(stage)
        return nullcontext()


def tag(held: LoadedBundle) -> None:
    tagger = held.now.tagger
    tagger.tag(VideoRef("v1", title="a dog"), tagger.selection(None))


@pytest.fixture
async def three(tiny_starter: Path, tmp_path: Path) -> AsyncIterator[tuple[BundleRegistry, Told, Any]]:
    """With the bundles "one", which is active, "two" and "three"."""
    shutil.copytree(tiny_starter, tmp_path / "one")
    for name in ("two", "three"):
        add_tags(tiny_starter, [f"fnord {name}"], tmp_path / name, created=NOW)
    told, empty = Told(), Empty()
    empty.go_on.set()
    log: Any = empty
    bundles = BundleRegistry(tmp_path, ModelThread(), log, log, lambda: NOON, told)
    await bundles.start(tmp_path / "one")
    yield bundles, told, empty
    await bundles.close()


async def test_a_shadow_is_timed_from_when_it_answers(three: tuple[BundleRegistry, Told, Any]) -> None:
    bundles, told, _ = three
    told.stages.clear()
    await bundles.set_shadow("two", None)
    assert bundles.shadow is not None
    tag(bundles.shadow)
    assert told.stages == []
    await bundles.activate("two", None)
    tag(bundles.active)
    assert told.stages == ["encode", "recall", "rank", "select"]


async def test_no_bundle_is_its_own_shadow_however_it_became_active(three: tuple[BundleRegistry, Told, Any]) -> None:
    bundles, _, _ = three
    first = bundles.active
    await bundles.activate("two", None)
    await bundles.set_shadow("one", None)
    assert set(bundles.versions) == {"active", "previous", "shadow"}
    await bundles.activate("one", None)
    assert bundles.active is first
    assert set(bundles.versions) == {"active", "previous"}
    assert bundles.previous is not None
    assert bundles.previous.name == "two"


async def test_a_switch_that_fails_leaves_every_bundle_in_its_place(three: tuple[BundleRegistry, Told, Any]) -> None:
    bundles, _, log = three
    await bundles.set_shadow("two", None)
    before = bundles.active, bundles.previous, bundles.shadow

    async def away(number: int, limit: int) -> None:
        raise BackendUnavailableError("the database is away")

    log.after = away
    with pytest.raises(BackendUnavailableError):
        await bundles.activate("two", None)
    assert (bundles.active, bundles.previous, bundles.shadow) == before
    del log.after
    await bundles.activate("two", None)
    assert (bundles.active, bundles.previous, bundles.shadow) == (before[2], before[0], None)


async def test_a_folder_in_which_another_bundle_lies_by_now_is_another_bundle(
    three: tuple[BundleRegistry, Told, Any], tmp_path: Path
) -> None:
    bundles, _, _ = three
    first = bundles.active.manifest.version
    shutil.rmtree(tmp_path / "one")
    shutil.move(tmp_path / "three", tmp_path / "one")
    await bundles.activate("one", None)
    second = bundles.active.manifest.version
    assert second != first
    assert "fnord three" in bundles.active.now.tagger.catalog.names
    await bundles.activate(None, first)  # which lies nowhere any more
    assert bundles.active.manifest.version == first
    await bundles.activate(None, second)
    assert bundles.active.manifest.version == second


class Written:
    """A log in memory."""

    def __init__(self, when_read: Callable[[], None] = lambda: None) -> None:
        """when_read: what others do when its end was seen"""
        self.records: list[Any] = []
        self._when_read = when_read

    async def after(self, number: int, limit: int = 100) -> tuple[Numbered[Any], ...]:
        page = tuple(Numbered(place, record) for place, record in enumerate(self.records, 1))[number : number + limit]
        self._when_read()
        return page

    async def all_after(self, number: int) -> Any:
        for entry in await self.after(number):
            yield entry


def over(edits: Any, videos: Any) -> BundleRegistry:
    return BundleRegistry(None, ModelThread(), edits, videos, lambda: NOON)


def payload(held: LoadedBundle, video_id: str, title: str, tag_name: str) -> bytes:
    video = VideoRef(video_id, title=title)
    late, _ = held.now.tagger.late(LabelledVideo(video, (tag_name,)), ReadVideo(video, None))
    return to_bytes(late)


def names(held: LoadedBundle, title: str) -> list[str]:
    tagger = held.now.tagger
    answer = tagger.tag(VideoRef("v1", title=title), tagger.selection(50, min_confidence=0.0))
    return [one.name for one in answer.tags]


async def test_a_tag_and_its_video_that_another_service_adds_while_both_logs_are_read_vote(tiny_starter: Path) -> None:
    coming: list[Callable[[], None]] = []

    def others() -> None:
        while coming:
            coming.pop(0)()

    edits, videos = Written(others), Written()
    bundles = over(edits, videos)
    await bundles.start(tiny_starter)
    added = labelled("r1", video_id="l1", payload=payload(bundles.active, "l1", "zxcv qwfp", "arstn"))
    coming.append(partial(edits.records.append, edit("r1/0", after={"name": "arstn"})))
    coming.append(partial(videos.records.append, added))
    await bundles.follow()
    await bundles.follow()
    assert "arstn" in names(bundles.active, "zxcv qwfp")
    await bundles.close()


async def test_a_labelled_video_that_cannot_be_read_is_told_of_and_keeps_no_other_from_voting(
    tiny_starter: Path, caplog: pytest.LogCaptureFixture
) -> None:
    videos = Written()
    bundles = over(Written(), videos)
    await bundles.start(tiny_starter)
    good = payload(bundles.active, "l1", "zxcv qwfp", "dog")
    newer = good.replace(b'"format": 1', b'"format": 2')
    of_no_length = good[:-4] + b"\x00\x00\x80\x7f"  # infinity
    for number, one in enumerate((b"garbage", newer, of_no_length, good)):
        videos.records.append(labelled(f"r{number}", video_id=f"l{number}", payload=one))
    await bundles.follow()
    told = [vars(record) for record in caplog.records if record.levelname == "ERROR"]
    assert [(one["number"], one["video_id"]) for one in told] == [(1, "l0"), (2, "l1"), (3, "l2")]
    assert "an entry of format 2" in told[1]["why"]
    assert bundles.active.now.tagger.labelled_videos == 1
    assert all(bundles.active.has_labelled(f"l{number}") for number in range(4))
    assert not bundles.active.has_labelled("l4")
    await bundles.close()
