"""The model threads: the stages of batches of texts and of media."""

import asyncio
import threading
from typing import Any

import pytest

from tagging.config.root import SelectConfig
from tagging.errors import InvalidSelectionError
from tagging.service.inference.model_threads import ModelThreads
from tagging.store.database.taggings import TaggingOptions
from tests.support.model_threads import HeldMedia, StagedTagger, StageName, calls_of, happened, video
from tests.support.polling import wait_until_async

pytestmark = pytest.mark.anyio


class SelectionRecorder:
    """A tagger that records the threads in which a selection was requested."""

    def __init__(self) -> None:
        self.threads: list[str] = []

    def selection(self, max_tags: int | None, precision: float | None, min_confidence: float | None) -> SelectConfig:
        self.threads.append(threading.current_thread().name)
        if precision == 0.99:
            raise InvalidSelectionError("unknown precision")
        return SelectConfig(max_tags=max_tags or 5, min_confidence=precision or min_confidence or 0.5)


async def test_only_a_precision_is_searched_in_another_thread() -> None:
    model, recorder = ModelThreads(), SelectionRecorder()
    tagger: Any = recorder
    assert (await model.selection(tagger, TaggingOptions(3, precision=0.9))).max_tags == 3
    assert (await model.selection(tagger, TaggingOptions(min_confidence=0.25))).min_confidence == 0.25
    with pytest.raises(InvalidSelectionError):
        await model.selection(tagger, TaggingOptions(precision=0.99))
    await model.close()
    assert (await model.selection(tagger, TaggingOptions())).max_tags == 5
    assert [name.startswith("selection") for name in recorder.threads] == [True, False, True, False]


async def test_a_batch_is_encoded_while_the_one_before_it_is_scored() -> None:
    scoring, encoding = threading.Event(), threading.Event()

    def meet(stage: StageName, video_ids: list[str]) -> None:
        if (stage, video_ids) == ("score", ["a"]):
            scoring.set()
            assert encoding.wait(60)
        if (stage, video_ids) == ("encode", ["b"]):
            encoding.set()

    model, tagger = ModelThreads(), StagedTagger(meet)
    first = calls_of(model, tagger, "a")
    await happened(scoring)
    found = await asyncio.gather(*first, *calls_of(model, tagger, "b"))
    assert [answer.video_id for answer in found] == ["a", "b"]
    await model.close()


async def test_a_video_that_waits_for_the_encoders_has_them_while_the_batch_before_it_is_scored() -> None:
    encoding, waits, encoding_next = threading.Event(), threading.Event(), threading.Event()

    def meet(stage: StageName, video_ids: list[str]) -> None:
        if (stage, video_ids) == ("encode", ["a"]):
            encoding.set()
            assert waits.wait(60)
        if (stage, video_ids) == ("score", ["a"]):
            assert encoding_next.wait(10)
        if (stage, video_ids) == ("encode", ["b"]):
            encoding_next.set()

    model, tagger = ModelThreads(), StagedTagger(meet)
    calls = calls_of(model, tagger, "a")
    await happened(encoding)
    calls += calls_of(model, tagger, "b")
    await asyncio.sleep(0.01)
    waits.set()
    assert [answer.video_id for answer in await asyncio.gather(*calls)] == ["a", "b"]
    await model.close()


async def test_a_stage_has_one_batch_at_a_time_and_later_videos_wait_for_the_encoders() -> None:
    scoring, release = threading.Event(), threading.Event()
    second_encoded = threading.Event()

    def hold(stage: StageName, video_ids: list[str]) -> None:
        if (stage, video_ids) == ("score", ["a"]):
            scoring.set()
            assert release.wait(60)
        if (stage, video_ids) == ("encode", ["b"]):
            second_encoded.set()

    model, tagger = ModelThreads(), StagedTagger(hold)
    calls = calls_of(model, tagger, "a")
    await happened(scoring)
    calls += calls_of(model, tagger, "b")
    await happened(second_encoded)
    for video_id in "cde":
        calls += calls_of(model, tagger, video_id)
        await asyncio.sleep(0.01)
    assert tagger.batches == [("encode", ["a"]), ("score", ["a"]), ("encode", ["b"])]
    release.set()
    await asyncio.gather(*calls)
    assert tagger.videos("score") == [*"abcde"]
    assert ("encode", [*"cde"]) in tagger.batches
    await model.close()


async def test_texts_are_tagged_while_media_are_in_the_encoders() -> None:
    held = HeldMedia()
    model, tagger = ModelThreads(), StagedTagger(held)
    clip = calls_of(model, tagger, "A")
    await happened(held.encoding)
    for video_id in "bc":
        async with asyncio.timeout(60):
            await asyncio.gather(*calls_of(model, tagger, video_id))
    assert tagger.videos("score") == ["b", "c"]
    held.release.set()
    await asyncio.gather(*clip)
    assert tagger.videos("score") == ["b", "c", "A"]
    await model.close()


async def test_a_batch_has_texts_alone_or_the_media_of_a_few_videos() -> None:
    model, tagger = ModelThreads(), StagedTagger()
    await asyncio.gather(*calls_of(model, tagger, "abCdEFGHij"))
    batches = [video_ids for stage, video_ids in tagger.batches if stage == "encode"]
    assert sorted(batches) == [[*"CEFG"], ["H"], [*"abdij"]]
    await model.close()


async def test_a_video_to_encode_is_in_a_batch_with_those_to_tag_and_is_not_scored() -> None:
    held = HeldMedia()
    tagger = StagedTagger(held)
    model: Any = ModelThreads()  # which returns the ids of this tagger instead of encoded videos
    clips: list[asyncio.Task[Any]] = [*calls_of(model, tagger, "A")]
    await happened(held.encoding)
    clips += calls_of(model, tagger, "B")
    clips.append(asyncio.create_task(model.encode(tagger, video("C"))))
    async with asyncio.timeout(60):
        assert [await model.encode(tagger, video("d"))] == ["d"]
        await asyncio.gather(*calls_of(model, tagger, "e"))
    held.release.set()
    assert (await asyncio.gather(*clips))[2] == "C"
    # The encoders take the next clips while "A" is scored, in either order.
    assert [batch for batch in tagger.batches if batch != ("score", ["A"])][-2:] == [
        ("encode", ["B", "C"]),
        ("score", ["B"]),
    ]
    await model.close()


async def test_a_call_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    held = HeldMedia()
    model, tagger = ModelThreads(), StagedTagger(held)
    monkeypatch.setattr(threading.Thread, "start", start)
    clip = calls_of(model, tagger, "A")
    await wait_until_async(lambda: held.encoding.is_set() or clip[0].done())
    async with asyncio.timeout(60):
        assert await model.edit(lambda: "edited") == "edited"
        await asyncio.gather(*calls_of(model, tagger, "bc"))
    held.release.set()
    await asyncio.gather(*clip)
    await model.close()
