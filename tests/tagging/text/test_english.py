import pytest

from tagging.text.english import singular


@pytest.mark.parametrize(
    ("noun", "plural"),
    [
        ("dog", "dogs"),
        ("puppy", "puppies"),
        ("movie", "movies"),
        ("pie", "pies"),
        ("box", "boxes"),
        ("beach", "beaches"),
        ("tomato", "tomatoes"),
        ("shoe", "shoes"),
        ("snowshoe", "snowshoes"),
        ("canoe", "canoes"),
        ("glass", "glass"),
        ("knife", "knives"),
        ("woman", "women"),
        ("house", "houses"),
        ("bus", "buses"),
    ],
)
def test_a_noun_and_its_plural_have_the_same_singular(noun: str, plural: str) -> None:
    assert singular(noun) == singular(plural)


@pytest.mark.parametrize(("left", "right"), [("new", "news"), ("glass", "glasses"), ("good", "goods"), ("pu", "pus")])
def test_words_that_only_look_like_plurals_are_unchanged(left: str, right: str) -> None:
    assert singular(left) != singular(right)
