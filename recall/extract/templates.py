"""Templates: words around a span that make another tag ("<span> letra"), and the titles that call for them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recall.extract.counts import NO_ROWS, Counts, Ints, Keys, Own, look_up
from recall.extract.spans import Token, key_of, tokens, word_key
from tagging.text.english import EMPTY
from tagging.text.normalise import normalise
from tagging.types import FloatRows

CUE_PRIOR = 10.0  # weight of the prior share, in uploaders
UNINFORMATIVE = frozenset(map(word_key, EMPTY))


@dataclass(frozen=True, slots=True)
class Template:
    """Words before and after a span that make another tag; one of the two may be ""."""

    prefix: str
    suffix: str

    def around(self, name: str) -> str:
        return f"{self.prefix} {name} {self.suffix}".strip()

    @property
    def key(self) -> tuple[str, str]:
        return key_of(self.prefix), key_of(self.suffix)


@dataclass(frozen=True, slots=True, eq=False)
class Cues:
    """The templates that uploaders use on videos whose titles have a cue: a word, or a non-ASCII letter."""

    cues: Counts
    starts: Ints  # (cues + 1,)
    templates: Ints  # (pairs,) templates of cue c: [starts[c], starts[c + 1])
    together: Ints  # (pairs,) uploaders
    users: Ints  # (T,) uploaders that use the template
    everyone: int  # uploaders

    def lifts(self, cues: Keys, own: Own) -> FloatRows:
        """(T, 4) log of the prior share, and sum, mean and maximum of the log lifts by these cues."""
        size = len(self.users)
        users = self.users - np.isin(np.arange(size), own.templates)
        usual = users / (self.everyone - bool(len(own.cues)))  # every uploader has cues
        total, largest = np.zeros(size), np.zeros(size)
        positions, found = look_up(self.cues.keys, cues)
        counts = self.cues.of(cues[found], own.cues)
        for position, count in zip(positions[found][counts > 0], counts[counts > 0], strict=True):
            rows = self.templates[self.starts[position] : self.starts[position + 1]]
            together = self.together[self.starts[position] : self.starts[position + 1]].astype(np.float64)
            together -= look_up(own.pairs, position * size + rows)[1]
            together[together < 2] = 0.0
            lift = np.full(size, np.log(CUE_PRIOR / (count + CUE_PRIOR)))
            lift[rows] = np.log((together + CUE_PRIOR * usual[rows]) / (count + CUE_PRIOR) / usual[rows])
            total += lift
            largest = np.maximum(largest, lift)
        mean = total / max(int((counts > 0).sum()), 1)
        return np.stack([np.log(usual), total, mean, largest], axis=1).astype(np.float32)


def taken_apart(tags: Iterable[str], title_words: Sequence[Token]) -> Iterator[tuple[Template, str]]:
    """For each tag that is a phrase of the title plus one or two words: the template, and the phrase's key."""
    title = f" {' '.join(word.key for word in title_words)} "
    for tag in sorted(tags):
        words = tokens(tag)
        keys = [word.key for word in words]
        if len(keys) < 2 or f" {' '.join(keys)} " in title:
            continue
        runs = ((i, i + n) for n in range(len(keys) - 1, max(0, len(keys) - 3), -1) for i in range(len(keys) - n + 1))
        for i, j in runs:
            base = " ".join(keys[i:j])
            if f" {base} " in title and not all(key in UNINFORMATIVE for key in keys[i:j]):
                around = (words[:i], words[j:])
                yield Template(*(" ".join(normalise(word.text) for word in side) for side in around)), base
                break


def cues_of(words: Sequence[Token]) -> set[str]:
    """The cues of a title: its words, and letters that distinguish languages."""
    letters = {character for word in words for character in word.text.casefold() if not character.isascii()}
    return {word.key for word in words} | {f" {letter}" for letter in letters}  # words never begin with a space


def cue_counts(cues: Counts, users: Sequence[int], own_by_uploader: Mapping[str, Own]) -> Cues:
    codes, together = np.unique(
        np.concatenate([NO_ROWS, *(own.pairs for own in own_by_uploader.values())]), return_counts=True
    )
    codes, together = codes[together >= 2], together[together >= 2]
    starts = np.searchsorted(codes, np.arange(len(cues.keys) + 1) * len(users))
    return Cues(cues, starts, codes % max(len(users), 1), together, np.array(users, np.int64), len(own_by_uploader))
