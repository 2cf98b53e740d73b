"""Speech and screen text of a clip reach its answer: tags, evidence with words and times, and time spans."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tagging.bundle.manifest import BUNDLE
from tagging.cli.tag import print_answer
from tagging.config.recall import StrengthConfig
from tagging.features.factory import Encoders, load_encoders
from tagging.pipeline.load import load_ranker, make_tagger
from tagging.pipeline.models import PipelineModels
from tagging.pipeline.recall_stage import RecallStage
from tagging.pipeline.tagger import Tagger
from tagging.store.answer_json import printed_answer
from tagging.types import Passage, RankedTags, VideoRef
from tests.support.readers import ScriptedScreen, ScriptedSpeech

OPEN = StrengthConfig(slope=1.0, intercept=2.0, least=-1.0)
SPEECH = (Passage("a game of ice hockey", 0.25, 1.0, 0.9, "en"), Passage("more ice hockey", 1.25, 1.5, 0.5, "en"))
SCREEN = (Passage("PIANO LESSON", 0.5, 1.75, 0.8),)


@pytest.fixture(scope="module")
def encoders(tiny_starter: Path) -> Encoders:
    return load_encoders(BUNDLE.read(tiny_starter).config.encoders)


def tagger_with(encoders: Encoders, bundle: Path) -> Tagger:
    manifest = BUNDLE.read(bundle)
    names = manifest.config.recall.names.model_copy(update={"spoken": OPEN, "shown": OPEN})
    recall = manifest.config.recall.model_copy(update={"names": names})
    opened = manifest.model_copy(update={"config": manifest.config.model_copy(update={"recall": recall})})
    models = PipelineModels(encoders, RecallStage.load(bundle, opened), load_ranker(bundle, opened, encoders))
    return make_tagger(opened, models)


@pytest.fixture(scope="module")
def answer(encoders: Encoders, tiny_starter: Path, clip: str) -> Iterator[RankedTags]:
    reading = replace(encoders, speech=ScriptedSpeech(*SPEECH), screen=ScriptedScreen(*SCREEN))
    with tagger_with(reading, tiny_starter) as tagger:
        yield tagger.tag(VideoRef("v", clip), tagger.selection(50))


@pytest.fixture(scope="module")
def clip(unseen_corpus: Path) -> str:
    return str(sorted(unseen_corpus.parent.glob("test-*.mp4"))[0])


def test_spoken_and_shown_names_are_tags_with_their_words_and_times(answer: RankedTags) -> None:
    assert answer.modalities == ("frames", "audio", "speech", "screen")
    by_name = {tag.name: tag for tag in answer.tags}
    [hockey] = by_name["ice hockey"].evidence
    assert (hockey.channel, hockey.kind, hockey.text, hockey.start_s) == ("spoken", "speech", "ice hockey", 0.25)
    [piano] = by_name["piano"].evidence
    assert (piano.channel, piano.kind, piano.text, piano.end_s) == ("shown", "screen", "PIANO", 1.75)
    assert by_name["ice hockey"].channels.keys() == {"spoken"}


def test_every_tag_of_a_clip_has_sorted_disjoint_spans_within_the_video(answer: RankedTags) -> None:
    kinds = set()
    for tag in answer.tags:
        assert tag.spans
        kinds |= {span.modality for span in tag.spans}
        assert [span.start_s for span in tag.spans] == sorted(span.start_s for span in tag.spans)
        assert all(0 <= span.start_s <= span.end_s <= 10 for span in tag.spans)
        for modality in answer.modalities:
            own = [span for span in tag.spans if span.modality == modality]
            assert all(before.end_s < after.start_s for before, after in pairwise(own))
    assert kinds == {"frames", "audio", "speech", "screen"}


def test_the_command_line_shows_where_a_tag_is_said_and_shown(
    answer: RankedTags, capsys: pytest.CaptureFixture[str]
) -> None:
    print_answer(answer)
    table = capsys.readouterr().out
    assert '"ice hockey" said at 0:00 (spoken' in table
    assert '"PIANO" on screen at 0:00 (shown' in table
    assert "0:00-0:01 (speech)" in table
    [hockey] = [tag for tag in printed_answer(answer)["tags"] if tag["name"] == "ice hockey"]
    assert hockey["spans"] == [{"start_s": 0.25, "end_s": 1.5, "modality": "speech", "strength": 0.9}]
    assert hockey["evidence"][0].keys() == {"channel", "kind", "similarity", "text", "start_s", "end_s"}


def test_a_clip_without_readers_has_no_tags_of_their_channels(
    encoders: Encoders, tiny_starter: Path, clip: str
) -> None:
    with tagger_with(encoders, tiny_starter) as tagger:
        answer = tagger.tag(VideoRef("v", clip), tagger.selection(50))
    assert answer.modalities == ("frames", "audio")
    assert answer.tags
    assert not {"spoken", "shown"} & {channel for tag in answer.tags for channel in tag.channels}
