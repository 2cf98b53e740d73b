"""Unigram tokenizer of multilingual-e5 (SentencePiece, Kudo & Richardson 2018), over the pieces in its file.

Pieces do not cross words, so each word is segmented alone, by the most probable path (Viterbi; Kudo 2018, section 3.2),
and remembered unless it is long. The `tokenizers` library gives the same numbers; it takes most of a second to build
its trie of 250,000 pieces, which is long for the tags of one title.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from tagging.features.e5_file import Pieces

WORD_START = "▁"  # in place of a space
UNKNOWN_PENALTY = 10.0  # SentencePiece's: an unknown character scores this much below the least probable piece
WORDS = 65_536  # that are remembered
LONGEST_REMEMBERED = 24  # characters; a text without spaces, as in Chinese, is one word, which is not seen again
_SPACES = re.compile(" +")
_WORD = re.compile(f"{WORD_START}?[^{WORD_START}]*")


class E5Tokenizer:
    """Texts to numbers of pieces, with a start and an end."""

    def __init__(self, pieces: Pieces) -> None:
        self._numbers = {text: number for number, text in enumerate(pieces.texts)}
        self._scores = pieces.scores.tolist()
        self._unknown = pieces.unknown
        self._unknown_score = min(self._scores) - UNKNOWN_PENALTY
        self._longest = max(map(len, pieces.texts))
        self._ends = pieces.start, pieces.end
        self._replacements = dict(pieces.replacements)
        self._of_word = lru_cache(WORDS)(self._segment)

    def numbers(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the numbers of the pieces of each text, whole."""
        start, end = self._ends
        return [
            [start, *(number for word in self._words(text) for number in self._pieces(word)), end] for text in texts
        ]

    def _pieces(self, word: str) -> tuple[int, ...]:
        return self._of_word(word) if len(word) <= LONGEST_REMEMBERED else self._segment(word)

    def _words(self, text: str) -> list[str]:
        spelled = _SPACES.sub(WORD_START, text.translate(self._replacements))
        marked = spelled if spelled.startswith(WORD_START) or not spelled else WORD_START + spelled
        return [word for word in _WORD.findall(marked) if word]

    def _segment(self, word: str) -> tuple[int, ...]:
        """Return the pieces of the most probable segmentation; neighbouring unknown characters are one piece."""
        size = len(word)
        scores = [0.0, *[float("-inf")] * size]  # of the best path to each position
        last = [(0, self._unknown)] * (size + 1)  # start and number of its last piece
        for start in range(size):
            found = [
                (end, number)
                for end in range(start + 1, min(start + self._longest, size) + 1)
                if (number := self._numbers.get(word[start:end])) is not None
            ]
            steps = [(end, number, self._scores[number]) for end, number in found]
            if not found or found[0][0] > start + 1:
                steps.append((start + 1, self._unknown, self._unknown_score))
            for end, number, score in steps:
                if scores[start] + score > scores[end]:
                    scores[end], last[end] = scores[start] + score, (start, number)
        return self._path(last)

    def _path(self, last: Sequence[tuple[int, int]]) -> tuple[int, ...]:
        """Follow the best path from its end."""
        path: list[int] = []
        position = len(last) - 1
        while position:
            position, number = last[position]
            if not (number == self._unknown and path and path[-1] == number):
                path.append(number)
        return tuple(reversed(path))
