"""Tags whose names stand in a text: whole words, whatever their number, the longest name first.

A text of W words costs at most W times the longest name's words in dictionary look-ups, however many names there are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tagging.text import EMPTY, normalise, singular, split_words

WORDS_READ = 2000


@dataclass(frozen=True, slots=True)
class Match:
    """A name that stands in a text."""

    place: int  # of the name, in the order the lexicon was given
    text: str  # the words that stand there


class Lexicon:
    """Names to be found in texts."""

    def __init__(self, spellings: Sequence[Sequence[str]]) -> None:
        """spellings: all of each name; of names alike, or that differ in number alone, the first wins."""
        self._exact: dict[tuple[str, ...], int] = {}
        self._folded: dict[tuple[str, ...], int] = {}
        for place, forms in enumerate(spellings):
            for form in forms:
                words = split_words(normalise(form))
                if words and not _is_empty(words):
                    self._exact.setdefault(words, place)
                    self._folded.setdefault(tuple(map(singular, words)), place)
        self._longest = max(map(len, self._exact), default=0)

    def matches(self, text: str) -> Iterator[Match]:
        """Each name of the text once, in its order. A name inside a longer one ("hockey" of "ice hockey") is none."""
        words = split_words(normalise(text))[:WORDS_READ]
        folded = tuple(map(singular, words))
        found: set[int] = set()
        start = 0
        while start < len(words):
            for length in range(min(self._longest, len(words) - start), 0, -1):
                some = slice(start, start + length)
                place = self._exact.get(words[some], self._folded.get(folded[some]))
                if place is not None and not _is_empty(words[some]):  # "does" is no plural of "doe"
                    if place not in found:
                        found.add(place)
                        yield Match(place, " ".join(words[some]))
                    start += length
                    break
            else:
                start += 1


def _is_empty(words: tuple[str, ...]) -> bool:
    """Nothing but words that say nothing, numbers, or a single letter."""
    is_letter = len(words) == 1 and len(words[0]) == 1 and words[0].isascii()
    return is_letter or all(word in EMPTY or word.isdecimal() for word in words)
