"""Normalisation of real titles and tags, in all scripts: properties that hold for each of them."""

import unicodedata
from collections import defaultdict

import numpy as np
import pyarrow.parquet as pq
import pytest

from recall.channels.lexicon import Lexicon
from tagging.text.names import Found, how_found
from tagging.text.normalise import is_blank, normalise, plain
from tagging.text.words import read_words
from tests.support.paths import SHARED

TABLE = SHARED / "data" / "metadata" / "youtube_trending_2025_2026.parquet"
# "MATHEMATICAL" is Latin in styled letters.
SCRIPTS = (
    "LATIN", "ARABIC", "CYRILLIC", "CJK", "HIRAGANA", "THAI", "HANGUL", "DEVANAGARI", "KHMER", "GREEK", "MATHEMATICAL",
)  # fmt: skip
A_SCRIPT = 700
ROWS = 60_000  # read for the rare scripts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not TABLE.exists(), reason=f"needs {TABLE.name} of the shared data"),
]


def script(title: str) -> str:
    names = [unicodedata.name(char, "").split(" ")[0] for char in title[:40] if char.isalpha()]
    return max(names, key=names.count, default="")


@pytest.fixture(scope="module")
def videos() -> list[tuple[str, list[str]]]:
    """Up to A_SCRIPT titles of each script, with their tags."""
    table = pq.read_table(TABLE, columns=["title", "tags"])
    order = np.random.default_rng(7).permutation(table.num_rows)[:ROWS]
    found: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
    for title, tags in zip(*(table[name].take(order).to_pylist() for name in ("title", "tags")), strict=True):
        if len(found[of := script(title)]) < A_SCRIPT and of in SCRIPTS:
            found[of].append((title, tags))
    assert all(len(found[of]) > 10 for of in SCRIPTS)
    return [video for of in SCRIPTS for video in found[of]]


def test_the_normal_form_of_real_titles_and_tags_is_a_fixed_point(videos: list[tuple[str, list[str]]]) -> None:
    for text in {text for title, tags in videos for text in (title, *tags)}:
        assert normalise(normalise(text)) == normalise(text), text
        assert plain(plain(text)) == plain(text), text


def test_no_tag_of_nothing_remains(videos: list[tuple[str, list[str]]]) -> None:
    for tag in {tag for _, tags in videos for tag in tags}:
        assert is_blank(tag) == (normalise(tag) == "")
        visible = [char for char in normalise(tag) if not char.isspace()]
        assert all(unicodedata.category(char) not in ("Cf", "Cc", "Zs", "Co") for char in visible)


def test_the_words_of_real_titles_are_where_they_say(videos: list[tuple[str, list[str]]]) -> None:
    for title, _ in videos:
        for word in read_words(title):
            assert word.form
            assert word.form in {other.form for other in read_words(title[word.start : word.end])} or word.joined


def test_evidence_is_part_of_the_title_and_a_tag_that_is_the_title_is_found(
    videos: list[tuple[str, list[str]]],
) -> None:
    names = sorted({tag for _, tags in videos[::5] for tag in tags if normalise(tag)})
    lexicon = Lexicon([[name] for name in names])
    for title, _ in videos:
        assert all(match.text and match.text in title for match in lexicon.matches(title))
    for name in names:
        assert any(Lexicon([[name]]).matches(name)) == (how_found(name) is not Found.NEVER), name


def test_tags_that_a_reader_cannot_tell_apart_are_one(videos: list[tuple[str, list[str]]]) -> None:
    """Two tags look alike if they differ in case, compatibility form, layout characters, quotes and dashes only."""
    alike = str.maketrans("‘’‐‑–—−“”ı", "''-----\"\"i", "\u0307\ufe0f")
    looks: dict[str, set[str]] = defaultdict(set)
    for tag in {tag for _, tags in videos for tag in tags}:
        seen = unicodedata.normalize("NFKC", tag).casefold().translate(alike)
        seen = "".join(char for char in seen if unicodedata.category(char) not in ("Cf", "Cc"))
        looks[" ".join(seen.split())].add(normalise(tag))
    assert [forms for forms in looks.values() if len(forms) > 1] == []
