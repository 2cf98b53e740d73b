"""Vectors of words are found among a bundle's names and the words of its encoders' classes."""

from pathlib import Path

import numpy as np
import pytest

from tagging.bundle.manifest import NamesEntry
from tagging.bundle.name_vectors import load_word_vectors, save_class_words, save_name_vectors
from tagging.tags.catalog import TagCatalog
from tagging.types import FloatRows

CATALOG = TagCatalog(
    ids=("1", "2", "3", "4"),
    names=("Dog", "no vector", "cat", "fox"),
    aliases=(("canine",), (), (), ()),
    counts=np.zeros(4, np.int64),
    hidden=np.zeros(4, np.bool_),
)
ENTRY = NamesEntry(dim=2, count=3, classes={"frames": 1}, words=2, unnamed=(1, 2))


@pytest.fixture
def rows(tmp_path: Path) -> FloatRows:
    """Vectors of "Dog", "cat" and "fox", and of the words "hound" and "wild cat", as fp16 keeps them."""
    angles = np.linspace(0, 3, 5)
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float16).astype(np.float32)
    save_name_vectors(tmp_path, rows[:3])
    save_class_words(tmp_path, {"hound": rows[3], "wild cat": rows[4]})
    return rows


def test_words_have_the_vectors_of_tags_with_that_name_and_of_stored_words(tmp_path: Path, rows: FloatRows) -> None:
    found = load_word_vectors(tmp_path, ENTRY, CATALOG, ["DOG", "fox", "hound", "canine", "no vector", "bird"])
    want = {"dog": rows[0], "fox": rows[2], "hound": rows[3], "wild cat": rows[4]}
    assert found.keys() == want.keys()
    for word, row in want.items():
        assert found[word].tolist() == row.tolist()


def test_a_bundle_without_stored_words_gives_those_of_its_names(tmp_path: Path, rows: FloatRows) -> None:
    found = load_word_vectors(tmp_path, ENTRY.model_copy(update={"words": 0}), CATALOG, ["cat", "hound"])
    assert {word: row.tolist() for word, row in found.items()} == {"cat": rows[1].tolist()}


@pytest.mark.usefixtures("rows")
def test_vectors_of_another_number_than_stated_are_refused(tmp_path: Path) -> None:
    for update in ({"count": 4}, {"words": 3}, {"dim": 3}):
        with pytest.raises(ValueError, match="the manifest states"):
            load_word_vectors(tmp_path, ENTRY.model_copy(update=update), CATALOG, ["cat"])
