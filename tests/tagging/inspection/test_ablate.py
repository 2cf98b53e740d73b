"""Ablations against the tagger, run on videos, stages and stores that lack the input."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rank.base import Needed, Ranker
from recall.query import RecallQuery
from tagging.inspection.ablate import CHANGES_AT_ONCE
from tagging.inspection.explanation import Ablation
from tagging.inspection.inspect import inspect_video
from tagging.pipeline.load import load_tagger
from tagging.pipeline.tagger import Tagger
from tagging.types import ChannelTags, RankInput, TagScores, VideoRef
from tests.support.inspections import EVERY, TITLES, ask, confidence_in, read_title, tag_read


def test_without_a_channel_the_answer_is_that_of_a_stage_whose_channel_is_silent(learnt: Tagger) -> None:
    read = read_title(TITLES[0])
    [question] = ask(learnt, read, "cats")
    stage = learnt.models.recall_stage
    compared = [ablation for ablation in question.ablations if ablation.kind == "channel"]
    assert {"text", "lexical", "classifier"} <= {ablation.name for ablation in compared}
    for ablation in compared:
        channels = [Silent(channel.name) if channel.name == ablation.name else channel for channel in stage.channels]
        silenced = replace(learnt.models, recall_stage=replace(stage, channels=channels))
        want = confidence_in(tag_read(learnt.with_models(silenced), read), "cats")
        assert ablation.confidence == (None if want is None else pytest.approx(want, abs=1e-6))
        assert (ablation.outcome == "answered") == (want is not None)
    assert len({ablation.confidence for ablation in compared}) > 2


class Silent:
    """A channel that reads nothing."""

    def __init__(self, name: str) -> None:
        self.name = name

    def recall(self, queries: Sequence[RecallQuery]) -> list[ChannelTags | None]:
        return [None] * len(queries)

    def with_tags(self, _: object) -> "Silent":
        return self


@pytest.mark.parametrize(("bundle", "title"), [("learnt_bundle", TITLES[0]), ("tiny_bundle", "Cat meets a box")])
def test_without_a_labelled_video_the_answer_is_that_of_a_store_that_lacks_it(
    bundle: str, title: str, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(bundle)
    read = read_title(title)
    with load_tagger(folder, reads_media=False) as tagger:
        best = tag_read(tagger, read).tags[0].name
        [question] = ask(tagger, read, best)
        compared = [ablation for ablation in question.ablations if ablation.kind == "neighbour"]
        store = tagger.models.recall_stage.neighbour_store
        titles = {ablation.name: store.table.title_of(store.table.row_of(ablation.name) or 0) for ablation in compared}
    assert [ablation.title for ablation in compared] == [*titles.values()]
    assert 2 <= len(compared) <= 9
    for ablation in compared:
        with load_tagger(folder, reads_media=False) as fewer:
            assert fewer.models.recall_stage.neighbour_store.remove(ablation.name)
            want = confidence_in(tag_read(fewer, read), best)
        assert ablation.confidence == pytest.approx(want, abs=1e-6)
    if bundle == "tiny_bundle":  # without trees, each vote counts
        assert all(ablation.confidence != question.trace.confidence for ablation in compared if question.trace)


def test_leaving_videos_out_leaves_the_store_as_it_was(learnt: Tagger) -> None:
    before = tag_read(learnt, read_title(TITLES[0]))
    ask(learnt, read_title(TITLES[0]), "cats", "cars")
    assert tag_read(learnt, read_title(TITLES[0])) == before


def test_without_a_modality_the_answer_is_that_of_a_video_that_lacks_it(starter: Tagger, clip: Path) -> None:
    read = starter.read(VideoRef("clip", str(clip), "My dog", "plays the piano"))
    assert read.media is not None
    without = {
        "text": replace(read, video=replace(read.video, title="", description="")),
        "frames": replace(read, media=replace(read.media, frames=None)),
        "audio": replace(read, media=replace(read.media, sound=None)),
    }
    names = [tag.name for tag in tag_read(starter, read).tags]
    questions = ask(starter, read, *names)
    changed = set()
    for question in questions:
        by_modality = {ablation.name: ablation for ablation in question.ablations if ablation.kind == "modality"}
        assert [*by_modality] == ["text", "frames", "audio"]
        for modality, ablation in by_modality.items():
            want = confidence_in(tag_read(starter, without[modality]), question.query)
            assert ablation.confidence == (None if want is None else pytest.approx(want, abs=1e-5))
            if want is None:
                changed.add(modality)
    assert changed >= {"frames", "text"}


def test_without_its_only_modality_no_tag_is_proposed(starter: Tagger) -> None:
    [question] = ask(starter, read_title("My dog"), "dog")
    [ablation] = [ablation for ablation in question.ablations if ablation.kind == "modality"]
    assert ablation == Ablation("modality", "text", "", None, "not_proposed")


def test_each_variant_of_all_questions_is_ranked_once_in_few_calls(learnt: Tagger) -> None:
    ranker = CountingRanker(learnt.models.ranker)
    counted = learnt.with_models(replace(learnt.models, ranker=ranker))
    questions = ask(counted, read_title(TITLES[0]), "cats", "cars", "food")
    assert len(questions) == 3
    first, *others = ranker.calls
    assert first == 1
    assert sum(others) == len({(a.kind, a.name) for question in questions for a in question.ablations})
    assert len(others) == math.ceil(sum(others) / CHANGES_AT_ONCE)


class CountingRanker:
    """A ranker that counts the videos of each call."""

    def __init__(self, ranker: Ranker) -> None:
        self._ranker = ranker
        self.calls: list[int] = []

    def score(self, videos: Sequence[RankInput], needed: Sequence[Needed]) -> list[TagScores]:
        self.calls.append(len(videos))
        return self._ranker.score(videos, needed)


def test_an_inspection_without_questions_ranks_once(learnt: Tagger) -> None:
    ranker = CountingRanker(learnt.models.ranker)
    counted = learnt.with_models(replace(learnt.models, ranker=ranker))
    assert inspect_video(counted, read_title(TITLES[0]), EVERY, []).questions == ()
    assert sum(ranker.calls) == 1
