import random
import sys
import unicodedata

import pytest

from tagging.text.normalise import aligned, is_blank, normalise, plain


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("🔥GUITAR LESSON🔥 how", "GUITAR LESSON how"),
        ("★Minecraft★survival", "Minecraft survival"),
        ("Minecraft™survival Play®", "Minecraft survival Play"),
        ("𝐁𝐨𝐥𝐝 ｆｕｌｌ ᴄᴀᴘs Ⓒircled 🅱lock", "Bold full caps Circled Block"),
        ("1️⃣0️⃣ TOP 🇹🇷", "10 TOP"),
        ("10½ ㎞ Part① №7 1º", "10 1/2 km Part 1 No 7 1"),
        ("m² H₂O ½", "m2 H2O 1/2"),
        ("Tom &amp; Jerry &#39;n&#39; &amp;lt;3", "Tom & Jerry 'n' <3"),
        ("don’t don´t donʼt – “stop”", "don't don't don't - \"stop\""),
        ("ﾄﾞﾗｺﾞﾝ　ボール", "ドラゴン ボール"),
        ("مـــرحبا", "مرحبا"),
        ("น้ำ ນ້ຳ", unicodedata.normalize("NFKC", "น้ำ ນ້ຳ")),
        ("M̶͚̂i̷̓͗n̶̐e", "Mine"),
        ("Hunter×Hunter 5€", "Hunter × Hunter 5 €"),
        ("C♯ and C++", "C# and C++"),
        ("ㅋㅋㅋ 한국어", "ㅋㅋㅋ 한국어"),
        ("e\u0301te\u0301", "été"),
        ("🔥", "🔥"),
        ("👩\u200d👧 ❤\ufe0f", "👩 👧 ❤"),
        ("line\nbreak\ttab\x00end", "line break tab end"),
    ],
)
def test_decoration_is_dropped_and_letters_become_plain(text: str, read: str) -> None:
    assert plain(text) == read


@pytest.mark.parametrize(
    "spellings",
    [
        ("gaming", "GAMING", "ga\u200bming", "gaming\ufe0f", "\u202agaming\u202c", "ｇａｍｉｎｇ", "gam\u00ading"),
        ("istanbul", "İstanbul", "İSTANBUL", "ISTANBUL", "ıstanbul"),
        ("isparta", "ISPARTA", "ısparta"),
        ("don't stop", "Don’t stop", "don‘t  stop"),
        ("spider-man", "Spider‑Man", "spider–man"),
        ("straße", "STRASSE"),
        ("minecraft", "Minecraft™", "⛏Minecraft⛏", "𝕄𝕚𝕟𝕖𝕔𝕣𝕒𝕗𝕥"),
        ("a&b", "a&amp;b"),
    ],
)
def test_spellings_that_a_reader_cannot_tell_apart_are_one_tag(spellings: tuple[str, ...]) -> None:
    assert len(set(map(normalise, spellings))) == 1


@pytest.mark.parametrize(
    "spellings",
    [("C", "C++", "C#"), ("net", ".NET"), ("🔥", "❤\ufe0f"), ("resume", "résumé"), ("1", "2"), ("#1", "1"), ("!", "?")],
)
def test_spellings_that_mean_different_things_stay_different_tags(spellings: tuple[str, ...]) -> None:
    assert len(set(map(normalise, spellings))) == len(spellings)


def test_the_normal_form_of_every_character_is_a_fixed_point() -> None:
    for code in (*range(0x3400), *range(0xA000, 0xAC00), *range(0xD7B0, 0x11000), *range(0x1D000, 0x20000)):
        for text in (chr(code), f"a{chr(code)}b"):
            assert normalise(normalise(text)) == normalise(text), hex(code)
            assert plain(plain(text)) == plain(text), hex(code)


def test_random_texts_have_a_fixed_point_and_characters_that_come_from_them() -> None:
    rng = random.Random(7)
    odd = "aI&#;'’i̇ıＡ①ªﾞ\u0301\u0338\u200d\ufe0f\u20e3🔥🏻ゕᅡ가ㅏ½™ⓐᴀ\u0640 amp39x"
    for _ in range(3000):
        alphabet = odd if rng.random() < 0.7 else [chr(rng.randrange(sys.maxunicode)) for _ in range(8)]
        text = "".join(rng.choices(alphabet, k=rng.randrange(1, 9)))
        assert normalise(normalise(text)) == normalise(text), ascii(text)
        spelled, starts, ends = aligned(text)
        assert len(spelled) == len(starts) == len(ends)
        assert all(0 <= start < end <= len(text) for start, end in zip(starts, ends, strict=True))
        assert starts == sorted(starts)


def test_case_folding_is_that_of_unicode_except_for_turkish_letters() -> None:
    for char in map(chr, (*range(0xC0, 0x180), *range(0x386, 0x530))):
        if char.isalpha() and char not in "İı" and unicodedata.is_normalized("NFKC", char):
            assert normalise(char) == unicodedata.normalize("NFKC", char.casefold()).replace("ʼ", "'"), char


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
    "&#8203;&amp;nbsp;",
]


@pytest.mark.parametrize("text", BLANK, ids=ascii)
def test_a_text_without_a_visible_character_is_blank(text: str) -> None:
    assert is_blank(text)
    assert normalise(text) == ""


@pytest.mark.parametrize("text", ["a", "!", "❤\ufe0f", "👩\u200d👧", "\u200ba", "न\u200dह", "&#8203;&#97;"], ids=ascii)
def test_a_visible_character_makes_a_name(text: str) -> None:
    assert not is_blank(text)
    assert normalise(text)
