"""Stored answers under tags that were edited since."""

from dataclasses import replace

import pytest

from tagging.service.calls.stored_answers import with_current_tags
from tagging.types import RankedTag
from tests.support.database_records import tagging
from tests.tagging.tags.edits.test_edited_catalog import Book


def ranked(tag_id: str, name: str, confidence: float, is_new: bool = False) -> RankedTag:
    return RankedTag(tag_id, name, confidence, {"text": confidence}, (), is_new)


@pytest.fixture
def book() -> Book:
    return Book()


def names_of(book: Book, *tags: RankedTag) -> list[tuple[str, str, float]]:
    stored = tagging()
    now = with_current_tags(replace(stored, answer=replace(stored.answer, tags=tags)), book.tags)
    assert replace(now, answer=stored.answer) == stored
    return [(tag.tag_id, tag.name, tag.confidence) for tag in now.answer.tags]


def test_what_was_not_edited_is_as_it_was_and_so_is_a_tag_that_no_catalog_has(book: Book) -> None:
    tags = [ranked(book.id("dog"), "dog", 0.9), ranked("0123456789abcdef", "fnord", 0.8, is_new=True)]
    book.do(lambda change: change.update(book.id("dog"), name="hound"))
    assert names_of(book, *tags) == [(tag.tag_id, tag.name, tag.confidence) for tag in tags]


def test_a_hidden_tag_and_one_that_became_hidden_with_another_are_left_out(book: Book) -> None:
    dog, cat, car = map(book.id, ("dog", "cat", "car"))
    book.do(lambda change: change.merge(cat, [dog]))
    book.do(lambda change: change.update(cat, hidden=True))
    assert names_of(book, ranked(dog, "dog", 0.9), ranked(cat, "cat", 0.8), ranked(car, "car", 0.7)) == [
        (car, "car", 0.7)
    ]


def test_merged_tags_are_what_they_became_each_once_and_the_surest_of_them_counts(book: Book) -> None:
    dog, cat, car = map(book.id, ("dog", "cat", "car"))
    book.do(lambda change: change.merge(cat, [dog]))
    given = ranked(dog, "dog", 0.9), ranked(car, "car", 0.8), ranked(cat, "cat", 0.7)
    assert names_of(book, *given) == [(cat, "cat", 0.9), (car, "car", 0.8)]
    book.do(lambda change: change.merge(car, [cat]))
    assert names_of(book, *given) == [(car, "car", 0.9)]
    book.undo(1)
    assert names_of(book, *given) == [(dog, "dog", 0.9), (car, "car", 0.8)]


def test_a_created_tag_that_was_taken_back_is_left_out(book: Book) -> None:
    [created] = book.do(lambda change: change.create("fnord"))
    assert names_of(book, ranked(created.tag_id, "fnord", 0.9)) == [(created.tag_id, "fnord", 0.9)]
    book.undo(1)
    assert names_of(book, ranked(created.tag_id, "fnord", 0.9)) == []
