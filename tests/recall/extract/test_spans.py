import pytest

from recall.extract.spans import (
    CHARACTERS_READ,
    LONGEST,
    LONGEST_SEGMENT,
    TOKENS_READ,
    Gap,
    Span,
    key_of,
    spans,
    tokens,
    unaccented,
    word_key,
)
from tests.support.work import function_calls


def of(title: str) -> list[Span]:
    return list(spans(title, tokens(title)))


def names(title: str) -> set[str]:
    return {span.name for span in of(title)}


def segments(title: str) -> list[str]:
    return [span.name for span in of(title) if span.is_segment]


@pytest.mark.parametrize(
    ("title", "want"),
    [
        ("Maria Becerra - Miénteme (Letra)", ["Maria Becerra", "Miénteme", "Letra"]),
        (
            "Maluma, Beéle | Los poderes [Official Lyric Video]",
            ["Maluma", "Beéle", "Los poderes", "Official Lyric Video"],
        ),
        ("Wow 🔥 so hot 👨‍👩‍👧 1️⃣ family", ["Wow", "so hot", "1", "family"]),
        ("شيلات 2026 | فهد بن فصلا - حبيبي", ["شيلات 2026", "فهد بن فصلا", "حبيبي"]),
        ("Дед Архимед — ЧЕТЫРЕ ГОДА", ["Дед Архимед", "ЧЕТЫРЕ ГОДА"]),
        ("【新台】北斗の拳『暴凶星』", ["新台", "北斗の拳", "暴凶星"]),
        ("영탁 (YOUNGTAK) ‘풀리나’", ["영탁", "YOUNGTAK", "풀리나"]),
        ("हिन्दी गाना | तोमर", ["हिन्दी गाना", "तोमर"]),
        ("a / b • c ， d 、 e: f", ["a", "b", "c", "d", "e", "f"]),
    ],
)
def test_a_title_is_split_at_its_separators(title: str, want: list[str]) -> None:
    assert segments(title) == want


@pytest.mark.parametrize(
    "word", ["spider-man", "k.virot", "don't", "3:45", "ג׳ומה", "हिन्दी", "می‌خواهم", "re:zero", "İstanbul", "கண்ணன்"]
)
def test_a_word_with_marks_and_joiners_is_one_token(word: str) -> None:
    assert [token.text for token in tokens(f"x {word} y")] == ["x", word, "y"]


def test_a_full_stop_joins_tokens() -> None:
    assert "Dr Dre" in names("Dr. Dre live")
    assert segments("Dr. Dre live") == ["Dr Dre live"]


def test_scripts_without_spaces_are_split_where_the_script_changes_and_joined_without_a_space() -> None:
    assert [token.text for token in tokens("ゼンゼロVer.3前夜祭")] == ["ゼンゼロ", "Ver.3", "前夜祭"]
    assert {"ゼンゼロ", "Ver.3前夜祭", "ゼンゼロVer.3前夜祭"} <= names("ゼンゼロVer.3前夜祭")
    assert [token.text for token in tokens("สาวใต้ - ok")] == ["สาวใต้", "ok"]


def test_hashtags_and_mentions_are_marked_words() -> None:
    words = tokens("nice #cat_food#dog @me")
    assert [(word.text, word.before) for word in words] == [
        ("nice", Gap.EDGE),
        ("cat_food", Gap.HASH),
        ("dog", Gap.HASH),
        ("me", Gap.AT),
    ]


def test_every_run_of_words_is_one_span() -> None:
    title = "one two - three four five six seven eight nine ten eleven twelve thirteen fourteen"
    words = tokens(title)
    count = len(words)
    want = {(a, b) for a in range(count) for b in range(a + 1, count + 1) if b - a <= LONGEST} | {(2, count)}
    got = [(span.first, span.last) for span in of(title)]
    assert len(got) == len(set(got))
    assert set(got) == want  # the second segment has twelve words
    assert count - 2 == LONGEST_SEGMENT


def test_evidence_is_the_exact_text_of_the_title() -> None:
    title = "TINI,  Maria\tBecerra - Miénteme!"
    for span in of(title):
        assert span.text in title
        assert span.name.split() == [word.text for word in tokens(title)[span.first : span.last]]
    assert next(span for span in of(title) if span.name == "Maria Becerra").text == "Maria\tBecerra"


@pytest.mark.parametrize(
    ("accented", "other"),
    [
        ("Miénteme", "mienteme"),
        ("GIỌT NẮNG", "giot nang"),
        ("IŞIK", "isik"),
        ("łódź", "lodz"),
        ("Ёлка", "елка"),
        ("أحمد", "احمد"),
        ("ＦＵＬＬ", "full"),
    ],
)
def test_spellings_with_and_without_accents_have_one_key(accented: str, other: str) -> None:
    assert word_key(accented) == word_key(other)


def test_marks_that_are_letters_are_kept() -> None:
    assert word_key("мой") != word_key("мои")
    assert word_key("की") != word_key("क")
    assert unaccented("Miénteme моё हिन्दी") == "Mienteme мое हिन्दी"


def test_a_tag_has_the_key_of_the_span_with_the_same_text() -> None:
    keys = {span.key for span in of("Metroid Prime 4 : Beyond - ゼンゼロ前夜祭")}
    assert {key_of("metroid prime 4 beyond"), key_of("#ゼンゼロ前夜祭")} <= keys


@pytest.mark.parametrize("title", ["", "   ", "🔥🔥🔥", "!!! ??? ---", "\ud83d", "\u200f\u200e\u202e", "\x00\x07", "️⃣"])
def test_a_text_without_words_has_no_spans(title: str) -> None:
    assert of(title) == []


def test_names_contain_neither_surrogates_nor_direction_marks() -> None:
    assert names("\u200fسلام \u202aabc\u202c x\ud800y") == names("سلام abc x|y")


@pytest.mark.parametrize("title", ["word " * 2000, "x" * 10_000, "漢字かな" * 2500, "a🔥" * 5000, "a\u0301" * 5000])
def test_only_the_beginning_of_a_long_title_is_read(title: str) -> None:
    found = of(title)
    work, work_of_beginning = function_calls(lambda: of(title)), function_calls(lambda: of(title[:CHARACTERS_READ]))
    assert work <= 2 * work_of_beginning + 2_000
    words = tokens(title)
    assert 0 < len(words) <= TOKENS_READ
    assert words[-1].end <= CHARACTERS_READ
    assert len(found) <= TOKENS_READ * (LONGEST + 2)
