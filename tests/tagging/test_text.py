import pytest

from recall.ngrams import NgramFeatures
from tagging.config.recall import NgramConfig
from tagging.text import is_blank, normalise, singular, split_words


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


def test_words_are_letters_and_digits_without_the_possessive() -> None:
    assert split_words(normalise("Women's Ice-Hockey: the 2nd HALF!")) == (
        "women",
        "ice",
        "hockey",
        "the",
        "2nd",
        "half",
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("हिन्दी गाने", ("हिन्दी", "गाने")),
        ("தமிழ் பாடல்", ("தமிழ்", "பாடல்")),
        ("مُحَمَّد صلاح", ("مُحَمَّد", "صلاح")),
        ("İstanbul", ("i\u0307stanbul",)),
        ("ใหม่", ("ใ", "ห", "ม่")),
        ("1\ufe0f\u20e3 top ❤\ufe0f", ("1", "top")),
    ],
)
def test_vowel_signs_and_accents_belong_to_their_word(text: str, words: tuple[str, ...]) -> None:
    assert split_words(normalise(text)) == words
    assert NgramFeatures.fit([text, text, "other words"], NgramConfig(least=1)).transform([words[0]]).nnz


def test_scripts_without_spaces_are_split_into_characters() -> None:
    assert split_words("猫の動画") == ("猫", "の", "動", "画")


BLANK = [
    "",
    " ",
    "\t\n",
    "\u200b",
    "\u200b \ufeff",
    "\u2060",
    "\u00ad",
    "\u3164",
    "\u115f",
    "\u2800",
    "\ufe0f",
    "\U000e0100",
    "\u200e",
]


@pytest.mark.parametrize("text", BLANK, ids=ascii)
def test_a_text_without_a_visible_character_is_blank(text: str) -> None:
    assert is_blank(text)
    assert normalise(text) == ""


@pytest.mark.parametrize("text", ["a", "!", "❤\ufe0f", "👩\u200d👧", "\u200ba", "न\u200dह"], ids=ascii)
def test_a_visible_character_makes_a_name(text: str) -> None:
    assert not is_blank(text)
    assert normalise(text)
