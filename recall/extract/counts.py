"""Counts of uploaders: how many have a phrase as a tag, in a title, in both, or a word at some place of a phrase.

Every uploader counts once, and what one uploader has can be left out of a count: else the counts of the video that is
learnt from would say "this phrase is a tag of one uploader", which is the answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

# What uploaders are counted for: "part" is a part of a tag, "both" a phrase of the title that is a tag of that video,
# "join" and "cut" are two words side by side inside of such a phrase, and across its border.
TABLES = ("tag", "part", "title", "both", "begin", "end", "inside", "before", "after", "join", "cut")
NO_ROWS = np.zeros(0, np.int64)


def hashed(keys: Iterable[str]) -> Keys:
    """64 bits a key: that any two of a million phrases share one has odds of 1 to 37 million."""
    return np.frombuffer(b"".join(blake2b(key.encode(), digest_size=8).digest() for key in keys), np.uint64)


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """How many uploaders have a key."""

    keys: Keys  # (n,) rising
    uploaders: Ints  # (n,)
    least: int  # a key that fewer uploaders have counts as none, and is not kept

    def of(self, keys: Keys, own: Keys) -> Floats:
        """(m,) as if the uploader who has the keys `own`, rising, were not there."""
        counts = np.zeros(len(keys), np.float32)
        places, found = look_up(self.keys, keys)
        counts[found] = self.uploaders[places[found]]
        counts -= look_up(own, keys)[1]
        counts[counts < self.least] = 0.0
        return counts


@dataclass(frozen=True, slots=True, eq=False)
class Own:
    """What one uploader has, to be left out."""

    tables: Mapping[str, Keys]
    cues: Keys
    templates: Ints  # rows
    pairs: Ints  # place of the cue · T + row of the template


NOBODY = Own(dict.fromkeys(TABLES, np.zeros(0, np.uint64)), np.zeros(0, np.uint64), NO_ROWS, NO_ROWS)


def counts_of(sets: Iterable[Keys], least: int) -> Counts:
    """Of each uploader's keys, once each."""
    keys, uploaders = np.unique(np.concatenate([np.zeros(0, np.uint64), *sets]), return_counts=True)
    return Counts(keys[uploaders >= least], uploaders[uploaders >= least], least)


def least_of(table: str) -> int:
    """Uploaders of a key that is kept: all tags, for a name is known if anyone has it; of the rest what repeats."""
    return {"tag": 1, "cues": 3}.get(table, 2)


def look_up(rising: NDArray[np.integer], wanted: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each wanted one would stand, and True where it stands."""
    if not len(rising):
        return np.zeros(len(wanted), np.intp), np.zeros(len(wanted), np.bool_)
    places = np.minimum(np.searchsorted(rising, wanted), len(rising) - 1)
    return places, rising[places] == wanted
