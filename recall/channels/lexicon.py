"""Lexicon matching: tags whose names occur in a text as whole words, singular or plural, the longest name first.

A name of stop words, numbers or a single letter ("The Who", "2024", "R") is a match only with its own capitals, as
`how_found` says. A text of W words costs at most W times the longest name's words in dictionary look-ups, however many
names there are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from tagging.text.english import singular
from tagging.text.names import Found, how_found
from tagging.text.words import Word, is_common, merged, read_words

WORDS_READ = 2000


@dataclass(frozen=True, slots=True)
class Match:
    """A name that occurs in a text."""

    index: int  # of the name, in the order the lexicon was given
    text: str  # the characters of the text


class Lexicon:
    """Names to find in texts."""

    def __init__(self, spellings: Sequence[Sequence[str]]) -> None:
        """spellings: all of each name; of equal names, or names that differ in number only, the first wins."""
        self._exact: dict[tuple[str, ...], int] = {}
        self._folded: dict[tuple[str, ...], int] = {}
        self._cased: dict[tuple[str, ...], int] = {}
        self._longest = 0
        for index, forms in enumerate(spellings):
            for form in forms:
                self._add(form, index)

    def matches(self, text: str) -> Iterator[Match]:
        """Yield each name in the text once, in order of occurrence.

        A name inside a longer one ("hockey" in "ice hockey") is not a match.
        """
        words = read_words(text)[:WORDS_READ]
        found: set[int] = set()
        start = 0
        while start < len(words):
            # A run of joined words may be one word of a name: "#BlackFriday" of "blackfriday".
            run = sum(1 for _ in takewhile(lambda word: word.joined, words[start + 1 :])) + 1
            for length in range(min(max(self._longest, run), len(words) - start), 0, -1):
                index = self._look_up(words[start : start + length])
                if index is not None:
                    if index not in found:
                        found.add(index)
                        yield Match(index, text[words[start].start : words[start + length - 1].end])
                    start += length
                    break
            else:
                start += 1

    def _add(self, spelling: str, index: int) -> None:
        words = read_words(spelling)
        found = how_found(spelling)
        if found is Found.NEVER:
            return
        if found is Found.WITH_CASE:
            self._cased.setdefault(tuple(word.text for word in words), index)
        else:
            for forms in (tuple(word.form for word in words), merged(words)):
                self._exact.setdefault(forms, index)
                self._folded.setdefault(tuple(map(singular, forms)), index)
        self._longest = max(self._longest, len(words))

    def _look_up(self, words: Sequence[Word]) -> int | None:
        forms = tuple(word.form for word in words)
        if is_common(forms):  # "does" is not a plural of "doe"
            return self._cased.get(tuple(word.text for word in words))
        for spelled in (forms, merged(words)) if words[-1].joined else (forms,):
            index = self._exact.get(spelled, self._folded.get(tuple(map(singular, spelled))))
            if index is not None:
                return index
        return None
