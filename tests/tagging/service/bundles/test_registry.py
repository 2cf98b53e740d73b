"""Activation and shadowing of bundles: the loaded bundles, and callers that disconnect."""

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
from tagging.pipeline.labelled_updates import added_video
from tagging.pipeline.stages import Stage
from tagging.service.bundles import registry as registry_module
from tagging.service.bundles.loaded_bundle import LoadedBundle, UpdateLogs
from tagging.service.bundles.registry import BundleRegistry
from tagging.service.inference.model_threads import ModelThreads
from tagging.store.labelled_log import to_bytes
from tagging.types import LabelledVideo, Numbered, VideoRef
from tests.support.clocks import NOW
from tests.support.database_records import NOON, edit, labelled

pytestmark = pytest.mark.anyio


def registry(edits: Any, videos: Any) -> BundleRegistry:
    return BundleRegistry(None, ModelThreads().edit, UpdateLogs(edits, videos), lambda: NOON)


class Empty:
    """A log without entries, whose readers wait until they are released."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.ended = 0

    async def all_after(self, number: int) -> Any:
        await self.release.wait()
        self.ended += 1
        for nothing in tuple[int, ...]():
            yield nothing

    async def after(self, number: int, limit: int) -> tuple[()]:
        return ()


async def test_a_failed_activation_of_a_disconnected_caller_is_not_reported_as_unretrieved() -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    empty: Any = Empty()
    bundles = registry(empty, empty)
    with pytest.raises(ArtifactNotFoundError):
        await bundles.activate("one", None)
    for wait in range(5):
        caller = asyncio.create_task(bundles.activate("one", None))
        for _ in range(wait):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
    await bundles.close()
    assert reported == []


async def test_following_completes_when_its_caller_disconnects(tiny_starter: Path) -> None:
    empty: Any = Empty()
    bundles = registry(empty, empty)
    empty.release.set()
    await bundles.start(tiny_starter)
    empty.release.clear()
    caller = asyncio.create_task(bundles.follow())
    await asyncio.sleep(0.01)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    before = empty.ended
    empty.release.set()
    await bundles.close()
    assert empty.ended == before + 1


async def test_an_edit_that_waits_for_a_server_that_is_away_does_not_keep_a_registry_from_closing(
    tiny_starter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, cancelled = asyncio.Event(), list[bool]()

    async def stuck(_: Callable[[], Any]) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    monkeypatch.setattr(registry_module, "FINISH_S", 0.01)
    edits, empty = MemoryLog(), MemoryLog()
    logs: Any = UpdateLogs(edits, empty)  # type: ignore[arg-type]
    bundles = BundleRegistry(None, stuck, logs, lambda: NOON)
    await bundles.start(tiny_starter)
    edits.records.append(edit("r1/0", after={"name": "arstn"}))
    caller = asyncio.create_task(bundles.follow())
    await asyncio.wait_for(begun.wait(), 60)
    await asyncio.wait_for(bundles.close(), 60)
    assert cancelled == [True]
    await asyncio.gather(caller, return_exceptions=True)


class TimedStages:
    """Records the stages that are timed."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def __call__(self, stage: Stage, /) -> AbstractContextManager[None]:
        self.stages.append(stage)
        return nullcontext()


def tag(bundle: LoadedBundle) -> None:
    tagger = bundle.snapshot.tagger
    tagger.tag(VideoRef("v1", title="a dog"), tagger.selection(None))


@pytest.fixture
async def three(tiny_starter: Path, tmp_path: Path) -> AsyncIterator[tuple[BundleRegistry, TimedStages, Any]]:
    """A registry over the bundles "one", which is active, "two" and "three"."""
    shutil.copytree(tiny_starter, tmp_path / "one")
    for name in ("two", "three"):
        add_tags(tiny_starter, [f"fnord {name}"], tmp_path / name, created=NOW)
    timed, empty = TimedStages(), Empty()
    empty.release.set()
    log: Any = empty
    bundles = BundleRegistry(tmp_path, ModelThreads().edit, UpdateLogs(log, log), lambda: NOON, timed)
    await bundles.start(tmp_path / "one")
    yield bundles, timed, empty
    await bundles.close()


async def test_a_shadow_is_timed_once_it_is_active(three: tuple[BundleRegistry, TimedStages, Any]) -> None:
    bundles, timed, _ = three
    timed.stages.clear()
    await bundles.set_shadow("two", None)
    assert bundles.shadow is not None
    tag(bundles.shadow)
    assert timed.stages == []
    await bundles.activate("two", None)
    tag(bundles.active)
    assert timed.stages == ["encode", "recall", "rank", "select"]


async def test_an_activated_bundle_is_no_longer_the_shadow(three: tuple[BundleRegistry, TimedStages, Any]) -> None:
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


async def test_a_failed_activation_changes_no_role(three: tuple[BundleRegistry, TimedStages, Any]) -> None:
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


async def test_a_folder_with_another_bundle_is_loaded_again(
    three: tuple[BundleRegistry, TimedStages, Any], tmp_path: Path
) -> None:
    bundles, _, _ = three
    first = bundles.active.version
    shutil.rmtree(tmp_path / "one")
    shutil.move(tmp_path / "three", tmp_path / "one")
    await bundles.activate("one", None)
    second = bundles.active.version
    assert second != first
    assert "fnord three" in bundles.active.snapshot.tagger.models.recall_stage.catalog.names
    await bundles.activate(None, first)  # its folder no longer exists
    assert bundles.active.version == first
    await bundles.activate(None, second)
    assert bundles.active.version == second


class MemoryLog:
    """A log in memory."""

    def __init__(self, when_read: Callable[[], None] = lambda: None) -> None:
        """Create an empty log.

        when_read: called after a reader has seen the end
        """
        self.records: list[Any] = []
        self._when_read = when_read

    async def after(self, after: int, limit: int = 100) -> tuple[Numbered[Any], ...]:
        page = tuple(Numbered(number, record) for number, record in enumerate(self.records, 1))[after : after + limit]
        self._when_read()
        return page

    async def all_after(self, number: int) -> Any:
        for entry in await self.after(number):
            yield entry


def payload(bundle: LoadedBundle, video_id: str, title: str, tag_name: str) -> bytes:
    video, tagger = VideoRef(video_id, title=title), bundle.snapshot.tagger
    [encoded] = tagger.encode([ReadVideo(video, None)])
    late, _ = added_video(LabelledVideo(video, (tag_name,)), encoded, tagger.models.encoders.fingerprints())
    return to_bytes(late)


def names(bundle: LoadedBundle, title: str) -> list[str]:
    tagger = bundle.snapshot.tagger
    answer = tagger.tag(VideoRef("v1", title=title), tagger.selection(50, min_confidence=0.0))
    return [tag.name for tag in answer.tags]


async def test_a_tag_and_its_video_added_while_both_logs_are_read_take_effect(tiny_starter: Path) -> None:
    coming: list[Callable[[], None]] = []

    def append_next() -> None:
        while coming:
            coming.pop(0)()

    edits, videos = MemoryLog(append_next), MemoryLog()
    bundles = registry(edits, videos)
    await bundles.start(tiny_starter)
    added = labelled("r1", video_id="l1", payload=payload(bundles.active, "l1", "zxcv qwfp", "arstn"))
    coming.append(partial(edits.records.append, edit("r1/0", after={"name": "arstn"})))
    coming.append(partial(videos.records.append, added))
    await bundles.follow()
    await bundles.follow()
    assert "arstn" in names(bundles.active, "zxcv qwfp")
    await bundles.close()


async def test_an_unreadable_labelled_video_is_logged_and_all_others_vote(
    tiny_starter: Path, caplog: pytest.LogCaptureFixture
) -> None:
    videos = MemoryLog()
    bundles = registry(MemoryLog(), videos)
    await bundles.start(tiny_starter)
    good = payload(bundles.active, "l1", "zxcv qwfp", "dog")
    newer = good.replace(b'"format": 1', b'"format": 2')
    of_no_length = good[:-4] + b"\x00\x00\x80\x7f"  # infinity
    for number, payload_bytes in enumerate((b"garbage", newer, of_no_length, good)):
        videos.records.append(labelled(f"r{number}", video_id=f"l{number}", payload=payload_bytes))
    await bundles.follow()
    logged = [vars(record) for record in caplog.records if record.levelname == "ERROR"]
    assert [(fields["number"], fields["video_id"]) for fields in logged] == [(1, "l0"), (2, "l1"), (3, "l2")]
    assert "an entry of format 2" in logged[1]["why"]
    assert bundles.active.labelled_videos == 1
    assert all(bundles.active.has_labelled(f"l{number}") for number in range(4))
    assert not bundles.active.has_labelled("l4")
    await bundles.close()
