import pytest

from tagging.tags.spelling import DIFFERENCES, Difference, find_pairs, reduced_spelling
from tagging.text.normalise import normalise


@pytest.mark.parametrize(
    ("difference", "left", "right"),
    [
        ("hashtag", "#music", "music"),
        ("hashtag", "＃Music #Video", "music video"),
        ("hyphen", "spider-man", "spider man"),
        ("hyphen", "فري_فاير", "فري فاير"),
        ("punctuation", "Assassin’s Creed", "assassins creed"),
        ("punctuation", "Mr. Beast!", "mr beast"),
        ("punctuation", "Stellar Blade: Blood Rain", "stellar blade blood rain"),
        ("diacritics", "Corazón", "corazon"),
        ("diacritics", "Łódź", "lodz"),
        ("diacritics", "κύπελλο", "κυπελλο"),
        ("diacritics", "أغاني", "اغاني"),
        ("diacritics", "ёлка", "елка"),
        ("plural", "video games", "video game"),
        ("spacing", "mario bros", "mariobros"),
        ("spacing", "gta 5", "gta5"),
    ],
)
def test_names_that_differ_in_one_way_have_equal_keys_without_it(difference: Difference, left: str, right: str) -> None:
    forms = normalise(left), normalise(right)
    assert reduced_spelling(forms[0], [difference]) == reduced_spelling(forms[1], [difference])
    others = [kept for kept in DIFFERENCES if kept != difference]
    assert reduced_spelling(forms[0], others) != reduced_spelling(forms[1], others)
    assert find_pairs([left, right]) == [(0, 1, (difference,))]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("#1", "1"),  # a number
        ("c#", "c"),
        ("c++", "c"),
        ("1-0", "10"),
        ("3.5", "35"),
        ("24/7", "247"),
        ("10 20", "1020"),
        ("@user", "user"),
        ("か", "が"),  # the mark makes another syllable
        ("мой", "мои"),
        ("กก", "กิก"),
        ("각", "가"),
        ("bus", "bu"),
        ("cats", "dogs"),
        ("!!!", "???"),
    ],
)
def test_names_of_different_meaning_are_not_paired(left: str, right: str) -> None:
    assert find_pairs([left, right]) == []


@pytest.mark.parametrize("form", ["!!!", "...", "—", "-", "#", "'", "🔥", "# #"])
def test_a_tag_of_punctuation_only_has_a_key(form: str) -> None:
    assert reduced_spelling(form, DIFFERENCES)


def test_a_pair_names_exactly_its_differences() -> None:
    assert find_pairs(["spider man", "#SpiderMan"]) == [(0, 1, ("hashtag", "spacing"))]
    assert find_pairs(["spider-man", "spiderman"]) == [(0, 1, ("hyphen", "spacing"))]
    assert find_pairs(["musica mexicana", "MúsicasMexicana"]) == []  # joined words are not split
    assert find_pairs(["Clásicas rancheras", "clasica ranchera"]) == [(0, 1, ("diacritics", "plural"))]


def test_an_alias_is_merged_into_the_first_of_its_nearest_tags() -> None:
    names = ["cat", "cats", "#cats", "# cats", "#Cat"]
    assert find_pairs(names) == [(0, 1, ("plural",)), (0, 4, ("hashtag",)), (1, 2, ("hashtag",))]


def test_pairs_have_no_cycles_and_a_name_is_an_alias_once() -> None:
    words = ["now", "here", "spider", "man", "café", "games"]
    names = [
        f"{mark}{first}{between}{second}"
        for first in words
        for second in words
        for mark in ("", "#")
        for between in " -"
    ]
    pairs = find_pairs(names)
    assert pairs
    assert all(tag < alias for tag, alias, _ in pairs)
    assert len({alias for _, alias, _ in pairs}) == len(pairs)


def test_few_names_have_no_pairs() -> None:
    assert find_pairs([]) == find_pairs(["one"]) == []
