"""Prefix search over spellings against a scan of the catalog."""

import numpy as np
import pytest

from tagging.inspection.review.decisions import JudgedTag
from tagging.inspection.review.suggestions import Spellings
from tagging.tags.catalog import TagCatalog, build_catalog
from tagging.text.normalise import normalise
from tests.support.reviews import catalog


def scanned(tags: TagCatalog, text: str, count: int) -> list[str]:
    prefix = normalise(text)
    found = [
        (not any(normalise(spelling) == prefix for spelling in (name, *aliases)), -int(uses), row)
        for row, (name, aliases, uses, hidden) in enumerate(
            zip(tags.names, tags.aliases, tags.counts, tags.hidden, strict=True)
        )
        if not hidden and any(normalise(spelling).startswith(prefix) for spelling in (name, *aliases))
    ]
    return [tags.names[row] for _, _, row in sorted(found)[:count]]


@pytest.mark.parametrize("text", ["g", "gu", "GUITAR", "guitar h", "pup", "ÇA", "ca", "zz", "𝐝𝐨𝐠", "be"])
def test_suggestions_are_those_of_a_scan(text: str) -> None:
    rng = np.random.default_rng(3)
    names = [["dog", "puppy"], ["ça va"], ["guitar", "guitars"], ["Guitar Hero"], ["beach"], ["cat"]]
    built, _ = build_catalog([[str(name)] for group in names for name in group for _ in range(rng.integers(1, 5))])
    for tags in (built, catalog()):
        found = Spellings.of(tags).starting_with(text, 3)
        assert [tag.name for tag in found] == scanned(tags, text, 3)


@pytest.mark.parametrize("text", ["", " ", "\u200b", "#"])
def test_a_text_without_a_letter_is_no_error(text: str) -> None:
    assert Spellings.of(catalog()).starting_with(text, 3) == []


def test_a_spelling_is_the_tag_that_has_it_and_others_are_new() -> None:
    spellings = Spellings.of(catalog())
    assert spellings.named("PUPPY").name == "dog"
    assert spellings.named("guitar  hero").name == "Guitar Hero"
    assert spellings.named(" a  new   tag ") == JudgedTag(None, "a new tag")


def test_hidden_tags_are_not_suggested() -> None:
    tags = catalog()
    tags.hidden[tags.names.index("dog")] = True
    assert Spellings.of(tags).starting_with("dog", 3) == []
    assert Spellings.of(tags).starting_with("pup", 3) == []
