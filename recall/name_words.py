"""Word overlap between tag names and a text, for many names at once.

The share of a name's words that occur in the text is the best single feature of the fusion after the scores of the
channels. Names whose words all occur, in any order, are proposed: "maria becerra letra" from "Maria Becerra - Miénteme
(Letra)".
"""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tagging.ragged import positions_of, starts_of
from tagging.text.normalise import normalise
from tagging.text.words import read_forms, split_words
from tagging.types import FloatRows, Indices

# Columns of `NameWords.features`.
NAME_FEATURES = (
    "words in text",
    "whole in text",
    "letters in text",
    "name words",
    "name letters",
    "text words",
    "same script",
)


class NameWords:
    """The words of N names as numbers, so that one pass compares a text with thousands of names."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = [normalise(name) for name in names]
        split = [split_words(name) for name in names]
        self._joined = [f" {' '.join(words)} " for words in split]
        self._number: dict[str, int] = {}
        self._lengths = np.array([len(words) for words in split], np.int64)
        self._starts = starts_of(self._lengths)
        self._words = np.array(
            [self._number.setdefault(word, len(self._number)) for words in split for word in words], np.int64
        )
        self._letters = np.array([len(name) for name in self._names], np.float32)
        self._scripts = np.array([script(name) for name in self._names])
        counts = np.bincount(self._words, minlength=len(self._number))
        self._by_rarest = _by_rarest(self._words, self._starts, counts)
        self._weights = np.log1p(len(names) / np.maximum(counts, 1))  # idf of words among names

    def within(self, text: str) -> tuple[Indices, FloatRows]:
        """Return the names whose words all occur in the text, and the share of the text that each covers.

        The share refers to the summed idf of the words of the text that any name has.
        """
        present = self._present(text)
        names, starts = self._by_rarest
        rows = np.concatenate([names[starts[w] : starts[w + 1]] for w in np.flatnonzero(present)] or [names[:0]])
        rows = np.sort(rows[self._share(rows, present) == 1.0])
        total = self._weights[present].sum()
        covered = [self._weights[self._words[self._starts[row] : self._starts[row + 1]]].sum() for row in rows.tolist()]
        return rows, (np.array(covered, np.float32) / max(total, 1e-9)).clip(0.0, 1.0).astype(np.float32)

    @property
    def max_weight(self) -> float:
        """Return the idf of a word that no name has."""
        return float(np.log1p(len(self._names)))

    def weights(self, words: Iterable[str]) -> dict[str, float]:
        """Return the idf of the words that any name has."""
        return {word: float(self._weights[self._number[word]]) for word in words if word in self._number}

    def features(self, text: str, rows: Indices) -> FloatRows:
        """Return NAME_FEATURES (n, 7) of names (n,) and a text; scripts are compared by most letters."""
        normalised = normalise(text)
        words = split_words(text)
        joined = f" {' '.join(words)} "
        text_script = script(normalised)
        share = self._share(rows, self._present(text))
        whole = np.zeros(len(rows), np.float32)  # of a name in one piece all words are present
        for position in np.flatnonzero(share == 1.0).tolist():
            whole[position] = self._joined[rows[position]] in joined
        letters = [self._names[row] in normalised for row in rows.tolist()]
        columns = [
            share,
            whole,
            letters,
            self._lengths[rows],
            self._letters[rows],
            np.full(len(rows), len(words)),
            self._scripts[rows] == text_script,
        ]
        return np.stack([np.asarray(column, np.float32) for column in columns], axis=1)

    def _present(self, text: str) -> NDArray[np.bool_]:
        present = np.zeros(len(self._number), np.bool_)
        numbers = [self._number[word] for word in read_forms(text) if word in self._number]
        present[numbers] = True
        return present

    def _share(self, rows: Indices, present: NDArray[np.bool_]) -> FloatRows:
        """Return the share (n,) of each name's words that are present; 0 for a name without words."""
        lengths = self._lengths[rows]
        if not lengths.sum():
            return np.zeros(len(rows), np.float32)
        words = self._words[positions_of(self._starts, rows)]
        sums = np.bincount(np.repeat(np.arange(len(rows)), lengths), present[words], len(rows))
        return (sums / np.maximum(lengths, 1)).astype(np.float32)


class AddedNames:
    """Additional names, found by the same rule with the idf of the original names; for few names, as each is checked in
    turn.
    """

    def __init__(self, names: Sequence[str], known: NameWords) -> None:
        self._words = [frozenset(split_words(name)) for name in names]
        self._known = known

    def within(self, text: str) -> tuple[Indices, FloatRows]:
        """Return names and shares as `NameWords.within` does."""
        present = read_forms(text)
        added = {word for words in self._words for word in words & present}
        weights = dict.fromkeys(added, self._known.max_weight) | self._known.weights(present)
        total = max(sum(weights.values()), 1e-9)
        rows = [row for row, words in enumerate(self._words) if words and words <= present]
        covered = [min(sum(weights[word] for word in self._words[row]) / total, 1.0) for row in rows]
        return np.array(rows, np.int64), np.array(covered, np.float32)


def script(text: str) -> str:
    """Return the script of most letters, the first word of their Unicode names; "" without letters."""
    counts: dict[str, int] = {}
    for letter in text[:200]:
        if name := _script_of(letter):
            counts[name] = counts.get(name, 0) + 1
    return max(counts, key=lambda name: counts[name]) if counts else ""


@lru_cache(maxsize=1 << 14)
def _script_of(character: str) -> str:
    """Return the script of a letter; "" for other characters."""
    return unicodedata.name(character, "").split(" ")[0] if character.isalpha() else ""


def _by_rarest(words: Indices, starts: Indices, counts: Indices) -> tuple[Indices, Indices]:
    """Return names grouped by their rarest word, and starts: word w has names[starts[w]:starts[w + 1]]."""
    lengths = np.diff(starts)
    rows = np.flatnonzero(lengths)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((words, counts[words], owner))
    rarest = words[order][np.cumsum(lengths[rows]) - lengths[rows]] if len(rows) else np.zeros(0, np.int64)
    by_word = np.argsort(rarest, kind="stable")
    return rows[by_word], starts_of(np.bincount(rarest, minlength=len(counts)))
