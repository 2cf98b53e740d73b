"""Span features: the inputs of the network that predicts which spans of a title, with or without accents, are tags."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recall.extract.counting import Counted
from recall.extract.counts import TABLES, Own, hashed
from recall.extract.spans import SCRIPTS, Gap, Span, Token, spans, unaccented
from recall.extract.templates import UNINFORMATIVE
from tagging.types import FloatRows, Indices

PHRASE = 2 + 4 + 1 + 1 + 1 + 7 + 7  # leading feature columns of a span that its compositions inherit
# Prior rates over all words of titles (over spans for "both"), used for words never seen.
USUAL = {
    "both": 0.05,
    "inside": 0.15,
    "begin": 0.08,
    "end": 0.08,
    "before": 0.06,
    "after": 0.06,
    "join": 0.1,
    "cut": 0.1,
}
PRIOR = 3.0  # weight of the prior rate, in uploaders
# Latin, Cyrillic, Arabic, Indic, Hangul; scripts without spaces are in SCRIPTS.
ALPHABETS = (("a", "\u024f"), ("\u0400", "\u052f"), ("\u0600", "\u06ff"), ("\u0900", "\u0dff"), ("\uac00", "\ud7a3"))


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """n candidate names for one video, with their network features."""

    names: list[str]
    keys: list[str]
    positions: list[tuple[int, int]]  # tokens [first, last) of the title that each name comes from
    features: FloatRows  # (n, F)


def named_spans(counted: Counted, text: str, words: list[Token], own: Own) -> tuple[list[Span], Names]:
    """Return every span, followed by the accented ones again without accents."""
    found = list(spans(text, words))
    columns = _span_features(counted, words, found, own)
    names = [span.name for span in found]
    accented = [row for row, name in enumerate(names) if unaccented(name) != name]
    rows = [*range(len(found)), *accented]
    is_plain = np.arange(len(rows)) >= len(found)
    features = np.column_stack([is_plain, np.isin(rows, accented), columns[rows]]).astype(np.float32)
    names += [unaccented(names[row]) for row in accented]
    found = [found[row] for row in rows]
    return found, Names(names, [s.key for s in found], [(s.first, s.last) for s in found], features)


def _span_features(counted: Counted, words: list[Token], found: list[Span], own: Own) -> NDArray[np.float64]:
    """(n, F) features of the phrase (the first PHRASE - 2), its position, its words, adjacent words and all words."""
    first = np.array([span.first for span in found])
    last = np.array([span.last for span in found])
    return np.column_stack(
        [
            *_phrase_columns(counted, words, found, own),
            *_position_columns(words, first, last),
            *_word_columns(_word_features(counted, words, own), first, last),
            *_pair_columns(_pair_features(counted, words, own), first, last),
        ]
    )


def _phrase_columns(counted: Counted, words: list[Token], found: list[Span], own: Own) -> list[ArrayLike]:
    """Columns (n,) of the counts of each span's text, of its length, and of its share of the title."""
    first = np.array([span.first for span in found])
    last = np.array([span.last for span in found])
    count, length = len(words), last - first
    segment = np.array([word.segment for word in words])
    phrase = hashed(span.key for span in found)
    tag, part, title, both = (
        counted.tables[table].of(phrase, own.tables[table]) for table in ("tag", "part", "title", "both")
    )
    return [
        *(np.log1p(counts) for counts in (tag, part, title, both)),
        tag > 0,
        _log_odds(both, title, USUAL["both"]),
        np.log([len(span.name) for span in found]),
        *((np.minimum(length, 7) == size) for size in range(1, 8)),
        [span.is_segment for span in found],
        length == count,
        segment[first] == 0,
        segment[last - 1] == segment[-1],
        segment[last - 1] - segment[first],
        np.full(len(found), segment[-1]),
        np.full(len(found), count),
    ]


def _position_columns(words: list[Token], first: Indices, last: Indices) -> list[ArrayLike]:
    """Columns (n,) or (n, k) of the characters next to each span and of its place in the title."""
    gaps, count, segment = np.eye(len(Gap)), len(words), np.array([word.segment for word in words])
    return [
        gaps[[words[token].before for token in first]],
        gaps[[words[token].after for token in last - 1]],
        first,
        first / count,
        (count - last) / count,
        np.bincount(segment)[segment[first]],
    ]


def _word_columns(words: NDArray[np.float64], first: Indices, last: Indices) -> list[ArrayLike]:
    """Columns (n, f) of the words in each span, next to it, and in the title. words: (count, f)"""
    zeros = np.zeros(words.shape[1])
    sums = np.vstack([zeros, words.cumsum(axis=0)])
    edged = np.vstack([zeros, words, zeros])  # word w is row w + 1
    return [
        (sums[last] - sums[first]) / (last - first)[:, None],
        _within(words, first, last)[0],
        words[first],
        words[last - 1],
        edged[first],
        edged[last + 1],
        np.broadcast_to(words.mean(axis=0), (len(first), words.shape[1])),
    ]


def _pair_columns(pairs: NDArray[np.float64], first: Indices, last: Indices) -> list[ArrayLike]:
    """Columns (n, p) of the pairs of words at the edges of each span and in it.

    pairs: (count + 1, p), before each word, and after the last
    """
    return [pairs[first], pairs[last], *_within(pairs, first + 1, last)]


def _word_features(counted: Counted, words: list[Token], own: Own) -> NDArray[np.float64]:
    """(words, f) features of each word."""
    keys = hashed(word.key for word in words)
    counts = {table: counted.tables[table].of(keys, own.tables[table]) for table in TABLES[:9]}
    kinds = [
        (
            word.text.isupper() and len(word.text) > 1,
            word.text[:1].isupper(),
            any(character.isdigit() for character in word.text),
            word.key.isdecimal(),
            word.key in UNINFORMATIVE,
            word.before == Gap.HASH,
            word.before == Gap.AT,
            len(word.text),
            *(word.script == script for script in SCRIPTS),
            *(low <= word.key[0] <= high for low, high in ALPHABETS),
        )
        for word in words
    ]
    rates = [_log_odds(counts[table], counts["title"], USUAL[table]) for table in TABLES[3:9]]
    counted_logs = [np.log1p(counts[table]) for table in ("tag", "part", "title")]
    return np.column_stack([*rates, *counted_logs, np.array(kinds, np.float64)])


def _pair_features(counted: Counted, words: list[Token], own: Own) -> NDArray[np.float64]:
    """(words + 1, 4) features of each pair of adjacent words; zeros before the first and after the last."""
    pairs = hashed(f"{left.key} {right.key}" for left, right in pairwise(words))
    join, cut, title, part = (
        counted.tables[table].of(pairs, own.tables[table]) for table in ("join", "cut", "title", "part")
    )
    rates = [_log_odds(counts, title, USUAL[table]) for table, counts in (("join", join), ("cut", cut))]
    inner = np.column_stack([*rates, np.log1p(title), np.log1p(part)])
    return np.vstack([np.zeros(4), inner, np.zeros(4)])


def _log_odds(part: FloatRows, whole: FloatRows, usual: float) -> FloatRows:
    """The log odds of the rate part/whole relative to the prior rate `usual`, smoothed by `PRIOR` uploaders."""
    share = ((part + PRIOR * usual) / (np.maximum(whole, part) + PRIOR)).clip(1e-4, 1 - 1e-4)
    return np.asarray(np.log(share / (1 - share)) - np.log(usual / (1 - usual)), np.float32)


def _within(
    rows: NDArray[np.float64], first: NDArray[np.integer], last: NDArray[np.integer]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(n, f) minimum and mean of rows[first:last] for each of n runs; zeros for empty runs."""
    least, total = np.full((len(first), rows.shape[1]), np.inf), np.zeros((len(first), rows.shape[1]))
    length = last - first
    for offset in range(int(length.max())):
        inside = (offset < length)[:, None]
        row = rows[np.minimum(first + offset, len(rows) - 1)]
        least = np.where(inside, np.minimum(least, row), least)
        total += np.where(inside, row, 0.0)
    return np.where(length[:, None] > 0, least, 0.0), total / np.maximum(length, 1)[:, None]
