"""The unigram tokenizer of multilingual-e5 against the `tokenizers` library, with the packaged pieces."""

import random
import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

from tagging.config.encoders import MultilingualE5Config
from tagging.features.e5_file import Pieces, read_e5
from tagging.features.e5_tokens import E5Tokenizer
from tagging.features.weights import e5_file

TITLES = (
    "My golden retriever puppy learns to swim!!",
    "Как приготовить борщ за 30 минут | рецепт",
    "日本語のタイトルには空白がない",
    "中文视频标题：如何学习编程（第2部分）",
    "كيف تتعلم العزف على الجيتار",
    "한국어 제목 #shorts #쇼츠",
    "",
    " ",
    "  two  spaces  ",
    "▁marked▁▁twice",
    "<s> special </s> <unk> <pad>",
    "𓀀𓀁 unknown 𓀀x𓀁",
    "a\u0001b\u00adc ﬁ ½ Ｃ",
)
RANGES = ((32, 127), (0x400, 0x500), (0x600, 0x700), (0x3040, 0x9FFF), (0x1F300, 0x1F600), (0x10000, 0x10FFF))


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return read_e5(e5_file(MultilingualE5Config(backend="multilingual-e5"))).pieces


def numbers_of_the_library(pieces: Pieces, texts: Sequence[str]) -> list[list[int]]:
    scored = list(zip(pieces.texts, pieces.scores.tolist(), strict=True))
    tokenizer = Tokenizer(models.Unigram(scored, unk_id=pieces.unknown, byte_fallback=False))
    tokenizer.normalizer = normalizers.Replace(Regex(" {2,}"), " ")
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    spelled = [text.translate(dict(pieces.replacements)) for text in texts]
    return [[pieces.start, *encoding.ids, pieces.end] for encoding in tokenizer.encode_batch(spelled)]


def drawn_texts(count: int, rng: random.Random) -> list[str]:
    """Texts of characters of all scripts, half of them spaces or word marks between short words."""
    texts = []
    for _ in range(count):
        words = []
        for _ in range(rng.randrange(1, 8)):
            first, last = rng.choice(RANGES)
            words.append("".join(chr(rng.randrange(first, last)) for _ in range(rng.randrange(1, 8))))
        texts.append(rng.choice([" ", "  ", "▁", ""]).join(words))
    return texts


def test_the_numbers_are_those_of_the_library(pieces: Pieces) -> None:
    texts = [*TITLES, *drawn_texts(400, random.Random(7))]
    got, want = E5Tokenizer(pieces).numbers(texts), numbers_of_the_library(pieces, texts)
    assert [text for text, mine, theirs in zip(texts, got, want, strict=True) if mine != theirs] == []


def test_a_word_that_was_seen_before_has_the_same_numbers(pieces: Pieces) -> None:
    tokenizer = E5Tokenizer(pieces)
    assert tokenizer.numbers(["swim swim"]) == tokenizer.numbers(["swim swim"])
    assert tokenizer.numbers([]) == []


def test_long_texts_without_spaces_are_not_kept_in_memory(pieces: Pieces) -> None:
    tokenizer, drawn = E5Tokenizer(pieces), random.Random(0)
    texts = ["".join(chr(drawn.randrange(0x4E00, 0x9FFF)) for _ in range(500)) for _ in range(50)]
    tracemalloc.start()
    for text in texts:
        tokenizer.numbers([text])
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 500 * len(texts)  # bytes: fewer than one for each character


def test_an_unknown_character_scores_as_in_the_library() -> None:
    # "x|abc" has one unknown character, "xa|bc" none: how much it costs decides.
    texts = ("<s>", "</s>", "<unk>", "▁", "xa", "bc", "abc")
    for pair in (-4.0, -9.0, -12.0):
        scores = np.array([0.0, 0.0, 0.0, -1.0, pair, pair, -1.0], np.float32)
        pieces = Pieces(texts, scores, start=0, end=1, pad=0, unknown=2, replacements={})
        assert E5Tokenizer(pieces).numbers(["xabc"]) == numbers_of_the_library(pieces, ["xabc"])
