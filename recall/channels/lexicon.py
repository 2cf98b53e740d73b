"""Lexicon matching: tags whose names occur in a text as whole words, singular or plural, the longest name first.

A text of W words costs at most W times the longest name's words in dictionary look-ups, however many names there are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tagging.text import EMPTY, normalise, singular, split_words

WORDS_READ = 2000


@dataclass(frozen=True, slots=True)
class Match:
    """A name that occurs in a text."""

    index: int  # of the name, in the order the lexicon was given
    text: str  # the matched words


class Lexicon:
    """Names to find in texts."""

    def __init__(self, spellings: Sequence[Sequence[str]]) -> None:
        """spellings: all of each name; of equal names, or names that differ in number only, the first wins."""
        self._exact: dict[tuple[str, ...], int] = {}
        self._folded: dict[tuple[str, ...], int] = {}
        for index, forms in enumerate(spellings):
            for form in forms:
                words = split_words(normalise(form))
                if words and not _is_empty(words):
                    self._exact.setdefault(words, index)
                    self._folded.setdefault(tuple(map(singular, words)), index)
        self._longest = max(map(len, self._exact), default=0)

    def matches(self, text: str) -> Iterator[Match]:
        """Yield each name in the text once, in order of occurrence.

        A name inside a longer one ("hockey" in "ice hockey") is not a match.
        """
        words = split_words(normalise(text))[:WORDS_READ]
        folded = tuple(map(singular, words))
        found: set[int] = set()
        start = 0
        while start < len(words):
            for length in range(min(self._longest, len(words) - start), 0, -1):
                run = slice(start, start + length)
                index = self._exact.get(words[run], self._folded.get(folded[run]))
                if index is not None and not _is_empty(words[run]):  # "does" is not a plural of "doe"
                    if index not in found:
                        found.add(index)
                        yield Match(index, " ".join(words[run]))
                    start += length
                    break
            else:
                start += 1


def _is_empty(words: tuple[str, ...]) -> bool:
    """Return whether there are only stop words and numbers, or a single letter."""
    is_letter = len(words) == 1 and len(words[0]) == 1 and words[0].isascii()
    return is_letter or all(word in EMPTY or word.isdecimal() for word in words)
