import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tagging.config.root import SelectConfig
from tagging.errors import InvalidMediaError, InvalidVideoError, MediaNotFoundError
from tagging.features.encode import encode_videos
from tagging.features.factory import Encoders
from tagging.features.statistics import SoundStatisticsEncoder
from tagging.media.read_ahead import Failure, ReadVideo
from tagging.pipeline.load import load_tagger
from tagging.pipeline.stages import Stage
from tagging.pipeline.tagger import Tagger
from tagging.quickstart.corpus import PlannedVideo
from tagging.types import MediaSample, RankedTags, Sound, VideoRef

TEN = SelectConfig(max_tags=10, min_confidence=0.0)


@pytest.fixture(scope="module")
def tagger(tiny_bundle: Path) -> Iterator[Tagger]:
    with load_tagger(tiny_bundle) as loaded:
        yield loaded


def names(answer: RankedTags) -> list[str]:
    return [tag.name for tag in answer.tags]


def test_scene_and_sound_of_an_unseen_clip_are_found_without_a_title(
    tagger: Tagger, unseen_corpus: Path, unseen_plans: list[PlannedVideo]
) -> None:
    found = total = 0
    for plan in unseen_plans:
        answer = tagger.tag(VideoRef(plan.video_id, str(unseen_corpus.parent / f"{plan.video_id}.mp4")), TEN)
        assert answer.modalities == ("frames", "audio")
        found += len({plan.scene, plan.sound} & set(names(answer)))
        total += 2
    assert found / total >= 0.8


def test_a_title_alone_finds_the_subject_of_a_video_with_that_title(tagger: Tagger, corpus: Path) -> None:
    row = json.loads(corpus.read_text().splitlines()[0])
    answer = tagger.tag(VideoRef("q", title=row["title"]), TEN)
    assert answer.modalities == ("text",)
    assert row["tags"][0] in names(answer)[:5]


def test_every_tag_names_its_channels_and_labelled_videos_that_carry_it(tagger: Tagger, corpus: Path) -> None:
    tags_of = {row["video_id"]: row["tags"] for row in map(json.loads, corpus.read_text().splitlines())}
    answer = tagger.tag(VideoRef("q", title="Cat meets a box"), TEN)
    assert answer.tags
    for tag in answer.tags:
        assert set(tag.channels) == {e.channel for e in tag.evidence} == {"text"}
        assert 0 < tag.confidence <= 1
        assert all(tag.name in tags_of[e.video_id] for e in tag.evidence)
        similarities = [e.similarity for e in tag.evidence]
        assert similarities == sorted(similarities, reverse=True)
    confidences = [tag.confidence for tag in answer.tags]
    assert confidences == sorted(confidences, reverse=True)
    assert len(set(names(answer))) == len(answer.tags)


def test_many_videos_give_the_same_answers_as_one_by_one_and_in_order(
    tagger: Tagger, unseen_corpus: Path, unseen_plans: list[PlannedVideo]
) -> None:
    folder = unseen_corpus.parent
    videos = [VideoRef(p.video_id, str(folder / f"{p.video_id}.mp4"), p.title) for p in unseen_plans]
    videos += [VideoRef(f"text-{n}", title=plan.title) for n, plan in enumerate(unseen_plans)]
    together = list(tagger.tag_many(videos, TEN))
    for video, many in zip(videos, together, strict=True):
        single = tagger.tag(video, TEN)
        assert isinstance(many, RankedTags)
        assert many.video_id == video.video_id
        assert names(many) == names(single)
        assert [t.confidence for t in many.tags] == pytest.approx([t.confidence for t in single.tags], abs=1e-5)


def test_a_failure_keeps_its_place_and_costs_nobody_else(tagger: Tagger, tmp_path: Path) -> None:
    junk = tmp_path / "junk.mp4"
    junk.write_bytes(b"this is no video" * 100)
    videos = [
        VideoRef("a", title="Cat"),
        VideoRef("b", str(tmp_path / "missing.mp4"), "Cat"),
        VideoRef("c", str(junk)),
        VideoRef("d"),
        VideoRef("e", str(junk), "Cat"),
    ]
    a, b, c, d, e = tagger.tag_many(videos, TEN)
    assert isinstance(a, RankedTags)
    assert isinstance(b, Failure)
    assert isinstance(b.error, MediaNotFoundError)
    assert isinstance(c, Failure)
    assert isinstance(c.error, InvalidMediaError)
    assert isinstance(d, Failure)
    assert isinstance(d.error, InvalidVideoError)
    assert isinstance(e, RankedTags)
    assert e.modalities == ("text",)
    assert "only the text was used" in e.warnings[0]
    assert names(e) == names(a)


def test_a_text_that_is_cut_and_a_sound_that_is_too_short_are_told() -> None:
    encoders = Encoders(text=FakeText(), audio=SoundStatisticsEncoder())
    sound = Sound(np.zeros(8000, np.float32))
    short = MediaSample("hash", 0.5, None, sound, ("no picture track",))
    [got] = encode_videos(encoders, [ReadVideo(VideoRef("v", "v.mp4", "one two three"), short, short.warnings)])
    assert got.audio is None
    assert got.text is not None
    assert got.warnings == (
        "no picture track",
        "not looked at, the bundle has no encoder for it: picture",
        "only the first 2 of the text's 3 tokens were read",
        "the sound is shorter than 0.96 s and was not used",
    )


class FakeText:
    dim, fingerprint, max_tokens = 2, "fake", 2

    def token_counts(self, texts: Sequence[str]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        return np.array([len(text.split()) for text in texts], np.int64)

    def encode(self, texts: Sequence[str]) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
        return np.tile(np.array([1, 0], np.float32), (len(texts), 1))


def test_the_number_of_tags_is_the_callers(tagger: Tagger) -> None:
    stated = tagger.selection(None)
    assert tagger.selection(2).max_tags == 2
    assert tagger.selection(2).min_confidence == stated.min_confidence
    assert len(tagger.tag(VideoRef("q", title="Cat"), tagger.selection(2)).tags) <= 2


def test_an_answer_without_tags_says_why(tagger: Tagger) -> None:
    answer = tagger.tag(VideoRef("q", title="Cat"), SelectConfig(max_tags=3, min_confidence=0.999))
    best = tagger.tag(VideoRef("q", title="Cat"), TEN).tags[0]
    assert answer.tags == ()
    assert answer.warnings == (
        f"no tag reached the confidence 0.999; the best, {best.name!r}, has {best.confidence:.2g}",
    )


def test_whoever_listens_hears_of_each_stage_once_a_batch(tiny_bundle: Path) -> None:
    heard: list[str] = []

    @contextmanager
    def listen(stage: Stage) -> Iterator[None]:
        heard.append(stage)
        yield
        heard.append(f"after {stage}")

    once = [word for stage in ("encode", "recall", "rank", "select") for word in (stage, f"after {stage}")]
    with load_tagger(tiny_bundle, listen) as tagger:
        list(tagger.tag_many([VideoRef("a", title="Cat"), VideoRef("b", title="Dog")], TEN))
        assert heard == once


def test_strange_titles_are_tagged_or_refused_but_never_crash(tagger: Tagger, caplog: pytest.LogCaptureFixture) -> None:
    titles = [
        "\u0000",
        "\ud800",
        "🐈" * 500,
        "a" * 100_000,
        "\u202e\u200f\ufeff",
        " \n\t",
        "e\u0301" * 300,
        "٣٤ قطط",
        "?",
    ]
    with caplog.at_level(logging.ERROR):
        for title in titles:
            [result] = tagger.tag_many([VideoRef("q", title=title)], TEN)
            assert isinstance(result, RankedTags | Failure)
            if isinstance(result, Failure):
                assert isinstance(result.error, InvalidVideoError)
    assert not caplog.records
