"""Questions: the outcome of a tag, its reason, and what would have been enough, tried with the tagger."""

from dataclasses import replace
from pathlib import Path

import pytest

from tagging.config.root import SelectConfig
from tagging.inspection.explanation import Ablation
from tagging.inspection.inspect import inspect_video
from tagging.pipeline.tagger import Tagger
from tagging.tags.edits.edit_batch import TagUpdate
from tests.support.desk import Desk
from tests.support.inspections import EVERY, TITLES, ask, confidence_in, edited, read_title, tag_read


def test_a_tag_is_asked_about_by_any_spelling_and_once(learnt: Tagger, learnt_bundle: Path) -> None:
    desk = Desk(learnt, learnt_bundle)
    desk.do(lambda batch: batch.update(desk.id("cats"), TagUpdate(add_aliases=["felines"])))
    [question] = ask(desk.tagger, read_title(TITLES[0]), "  CATS ", "felines", "cats")
    assert question.query == "  CATS "
    assert question.trace is not None
    assert question.trace.name == "cats"


def test_a_merged_tag_means_the_tag_that_it_was_merged_into(learnt: Tagger, learnt_bundle: Path) -> None:
    tagger = edited(learnt, learnt_bundle)
    [question] = ask(tagger, read_title("recipe oven pasta"), "food")
    assert question.trace is not None
    assert question.trace.name == "music"
    assert question.outcome == "answered"


def test_an_undone_tag_is_unknown(learnt: Tagger, learnt_bundle: Path) -> None:
    desk = Desk(learnt, learnt_bundle)
    desk.do(lambda batch: batch.create("fnord"))
    assert ask(desk.tagger, read_title("a fnord"), "fnord")[0].outcome == "answered"
    desk.undo(1)
    [question] = ask(desk.tagger, read_title("a fnord"), "fnord")
    assert question.trace is None or question.trace.is_new  # at most a phrase of the text


def test_a_limit_that_is_too_low_names_the_limit_that_is_enough(learnt: Tagger) -> None:
    read, single = read_title(TITLES[0]), SelectConfig(max_tags=1, min_confidence=0.0)
    third = tag_read(learnt, read).tags[2].name
    [question] = ask(learnt, read, third, selection=single)
    assert question.outcome == "beyond_limit"
    assert "A limit of 3 tags would have been enough" in question.requirement
    assert third in [tag.name for tag in tag_read(learnt, read, SelectConfig(max_tags=3, min_confidence=0.0)).tags]
    assert third not in [tag.name for tag in tag_read(learnt, read, SelectConfig(max_tags=2, min_confidence=0.0)).tags]


def test_a_confidence_that_is_too_low_names_both_figures(learnt: Tagger) -> None:
    read = read_title(TITLES[0])
    best, second = tag_read(learnt, read).tags[:2]
    least = SelectConfig(max_tags=5, min_confidence=(best.confidence + second.confidence) / 2)
    [question] = ask(learnt, read, second.name, selection=least)
    assert question.outcome == "below_confidence"
    assert question.trace is not None
    assert question.trace.rank == 2
    assert "2nd of" in question.reason
    assert f"the last answered tag, “{best.name}”" in question.requirement


def test_figures_that_differ_are_never_shown_as_equal(learnt: Tagger) -> None:
    read = read_title(TITLES[0])
    confidence = tag_read(learnt, read).tags[0].confidence
    least = SelectConfig(max_tags=5, min_confidence=confidence * 1.0001)
    [question] = ask(learnt, read, tag_read(learnt, read).tags[0].name, selection=least)
    has, needed = (
        question.reason.partition("a confidence of ")[2].removesuffix(" that is needed.").split(", below the ")
    )
    assert float(has) < float(needed)


def test_a_target_precision_that_nothing_reaches_is_named(learnt: Tagger) -> None:
    read = read_title(TITLES[0])
    [question] = ask(learnt, read, "cats", selection=SelectConfig(max_tags=5, min_confidence=2.0))
    assert question.outcome == "below_confidence"
    assert "no confidence reaches the target precision" in question.reason
    assert "lower target precision" in question.requirement


def test_a_parent_of_an_answered_tag_is_implied_by_it(learnt: Tagger, learnt_bundle: Path) -> None:
    read = read_title(TITLES[0])
    narrow, broad = (tag.name for tag in tag_read(learnt, read).tags[:2])
    desk = Desk(learnt, learnt_bundle)
    desk.do(lambda batch: batch.update(desk.id(narrow), TagUpdate(add_parent_ids=[desk.id(broad)])))
    [question] = ask(desk.tagger, read, broad)
    assert question.outcome == "implied"
    assert question.trace is not None
    assert question.trace.implied_by == narrow
    assert f"“{narrow}” is answered and implies it" in question.reason
    [beyond] = ask(desk.tagger, read, broad, selection=SelectConfig(max_tags=1, min_confidence=0.0))
    assert beyond.outcome == "implied"


def test_a_tag_beyond_the_budget_names_the_last_that_was_ranked(learnt: Tagger) -> None:
    stage = replace(learnt.models.recall_stage, budget=2)
    tagger = learnt.with_models(replace(learnt.models, recall_stage=stage))
    read = read_title(TITLES[0])
    by_recall = sorted(inspect_video(learnt, read, EVERY, []).explanation.tags, key=lambda tag: tag.recall_rank or 0)
    inspection = inspect_video(tagger, read, EVERY, [by_recall[2].name])
    [question] = inspection.questions
    assert (inspection.explanation.budget, len(inspection.explanation.tags)) == (2, 2)
    assert question.outcome == "over_budget"
    assert question.trace is not None
    assert question.trace.confidence is None
    assert question.trace.recall_rank == 3
    assert question.trace.recall_probability == by_recall[2].recall_probability
    assert "3rd of" in question.reason
    assert f"the last that is ranked is “{by_recall[1].name}”" in question.requirement


def test_a_hidden_tag_is_named_as_such_with_the_channels_that_proposed_it(learnt: Tagger, learnt_bundle: Path) -> None:
    [question] = ask(edited(learnt, learnt_bundle), read_title("engine gearbox wheels"), "cars")
    assert question.outcome == "hidden"
    assert question.trace is not None
    assert "text" in question.trace.channels
    assert "An editor has hidden this tag" in question.reason
    assert question.ablations == ()


def test_a_tag_that_no_channel_proposed_has_a_reason_for_each_channel(starter: Tagger) -> None:
    inspection = inspect_video(starter, read_title("a quiet morning"), EVERY, ["ice hockey"])
    [question] = inspection.questions
    assert question.outcome == "not_proposed"
    assert question.trace is not None
    assert question.trace.channels == {}
    for channel in inspection.explanation.channels:
        assert channel.name in question.reason.lower()


@pytest.mark.parametrize("query", ["no such tag", "", " \t", "\u202e\x1b[31m<script>", "𝕏" * 5000, "%s {0} \\"])
def test_any_text_may_be_asked_about(starter: Tagger, query: str) -> None:
    [question] = ask(starter, read_title("a dog"), query)
    assert (question.outcome, question.trace, question.ablations) == ("unknown", None, ())
    assert question.query == query
    assert question.reason
    assert len(question.reason) < 400
    assert question.reason.isprintable()


def test_a_phrase_of_the_text_is_asked_about_as_a_new_tag(extracting: Tagger) -> None:
    read = read_title("Zorbaq - Miplo Quent (Official Video)")
    new = next(tag for tag in inspect_video(extracting, read, EVERY, []).explanation.tags if tag.is_new)
    [question] = ask(extracting, read, new.name.upper())
    assert question.trace == new
    [without_text] = [ablation for ablation in question.ablations if ablation.name == "text"]
    assert without_text == Ablation("modality", "text", "", None, "not_proposed")


def test_the_name_in_the_title_is_tried(starter: Tagger) -> None:
    [question] = ask(starter, read_title("a quiet morning"), "ice hockey", selection=starter.selection(5))
    named = tag_read(starter, read_title("a quiet morning ice hockey"), starter.selection(5))
    confidence = confidence_in(named, "ice hockey")
    assert confidence is not None
    assert f"With its name in the title it would be answered, with a confidence of {confidence:.2f}" in (
        question.requirement
    )
