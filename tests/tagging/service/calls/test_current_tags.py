"""Stored taggings under tags that were edited since."""

from dataclasses import replace

import pytest

from tagging.service.calls.current_tags import with_current_tags
from tagging.tags.edits.edit_batch import TagUpdate
from tagging.types import RankedTag
from tests.support.database_records import tagging
from tests.support.tag_edits import Editor


def ranked(tag_id: str, name: str, confidence: float, is_new: bool = False) -> RankedTag:
    return RankedTag(tag_id, name, confidence, {"text": confidence}, (), is_new)


@pytest.fixture
def editor() -> Editor:
    return Editor()


def names_of(editor: Editor, *tags: RankedTag) -> list[tuple[str, str, float]]:
    stored = tagging()
    current = with_current_tags(replace(stored, answer=replace(stored.answer, tags=tags)), editor.tags)
    assert replace(current, answer=stored.answer) == stored
    return [(tag.tag_id, tag.name, tag.confidence) for tag in current.answer.tags]


def test_tags_without_edits_and_new_tags_are_unchanged(editor: Editor) -> None:
    tags = [ranked(editor.id("dog"), "dog", 0.9), ranked("0123456789abcdef", "fnord", 0.8, is_new=True)]
    editor.do(lambda batch: batch.update(editor.id("dog"), TagUpdate(name="hound")))
    assert names_of(editor, *tags) == [(tag.tag_id, tag.name, tag.confidence) for tag in tags]


def test_a_hidden_tag_and_one_merged_into_it_are_left_out(editor: Editor) -> None:
    dog, cat, car = map(editor.id, ("dog", "cat", "car"))
    editor.do(lambda batch: batch.merge(cat, [dog]))
    editor.do(lambda batch: batch.update(cat, TagUpdate(hidden=True)))
    assert names_of(editor, ranked(dog, "dog", 0.9), ranked(cat, "cat", 0.8), ranked(car, "car", 0.7)) == [
        (car, "car", 0.7)
    ]


def test_merged_tags_appear_once_with_the_highest_confidence(editor: Editor) -> None:
    dog, cat, car = map(editor.id, ("dog", "cat", "car"))
    editor.do(lambda batch: batch.merge(cat, [dog]))
    given = ranked(dog, "dog", 0.9), ranked(car, "car", 0.8), ranked(cat, "cat", 0.7)
    assert names_of(editor, *given) == [(cat, "cat", 0.9), (car, "car", 0.8)]
    editor.do(lambda batch: batch.merge(car, [cat]))
    assert names_of(editor, *given) == [(car, "car", 0.9)]
    editor.undo(1)
    assert names_of(editor, *given) == [(dog, "dog", 0.9), (car, "car", 0.8)]


def test_a_tag_whose_creation_was_undone_is_left_out(editor: Editor) -> None:
    [created] = editor.do(lambda batch: batch.create("fnord"))
    assert names_of(editor, ranked(created.tag_id, "fnord", 0.9)) == [(created.tag_id, "fnord", 0.9)]
    editor.undo(1)
    assert names_of(editor, ranked(created.tag_id, "fnord", 0.9)) == []
