import pytest

from tagging.words import normalise, singular, split_words


@pytest.mark.parametrize(
    ("one", "many"),
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
def test_a_noun_and_its_plural_have_the_same_singular(one: str, many: str) -> None:
    assert singular(one) == singular(many)


@pytest.mark.parametrize(("one", "other"), [("new", "news"), ("glass", "glasses"), ("good", "goods"), ("pu", "pus")])
def test_words_that_only_look_like_plurals_stay_apart(one: str, other: str) -> None:
    assert singular(one) != singular(other)


def test_words_are_letters_and_digits_without_the_possessive() -> None:
    assert split_words(normalise("Women's Ice-Hockey: the 2nd HALF!")) == (
        "women",
        "ice",
        "hockey",
        "the",
        "2nd",
        "half",
    )


def test_scripts_without_spaces_fall_into_characters() -> None:
    assert split_words("猫の動画") == ("猫", "の", "動", "画")
