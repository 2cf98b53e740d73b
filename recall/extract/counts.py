"""Uploader counts: numbers of uploaders with a phrase as a tag, in a title or in both, or a word at a position of a
phrase.

Every uploader counts once, and the contribution of one uploader can be excluded: otherwise the counts for a training
video would contain its label ("this phrase is a tag of one uploader").
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from tagging.types import FloatRows

Keys = NDArray[np.uint64]
Ints = NDArray[np.int64]

# Count tables: "part" is a part of a tag, "both" a phrase of the title that is a tag of that video,
# "join" and "cut" are two adjacent words inside such a phrase and across its border.
TABLES = ("tag", "part", "title", "both", "begin", "end", "inside", "before", "after", "join", "cut")
NO_ROWS = np.zeros(0, np.int64)


def hashed(keys: Iterable[str]) -> Keys:
    """Hash keys to 64 bits; the odds that any two of a million phrases collide are 1 to 37 million."""
    return np.frombuffer(b"".join(blake2b(key.encode(), digest_size=8).digest() for key in keys), np.uint64)


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Number of uploaders by key."""

    keys: Keys  # (n,) ascending
    uploaders: Ints  # (n,)
    least: int  # keys of fewer uploaders are not kept and count as 0

    def of(self, keys: Keys, own: Keys) -> FloatRows:
        """(m,) counts without the uploader whose keys are `own` (ascending)."""
        counts = np.zeros(len(keys), np.float32)
        positions, found = look_up(self.keys, keys)
        counts[found] = self.uploaders[positions[found]]
        counts -= look_up(own, keys)[1]
        counts[counts < self.least] = 0.0
        return counts


@dataclass(frozen=True, slots=True, eq=False)
class Own:
    """One uploader's contribution, to be subtracted."""

    tables: Mapping[str, Keys]
    cues: Keys
    templates: Ints  # rows
    pairs: Ints  # index of the cue · T + row of the template


NO_UPLOADER = Own(dict.fromkeys(TABLES, np.zeros(0, np.uint64)), np.zeros(0, np.uint64), NO_ROWS, NO_ROWS)


def counts_of(sets: Iterable[Keys], least: int) -> Counts:
    """Count each uploader's keys once."""
    keys, uploaders = np.unique(np.concatenate([np.zeros(0, np.uint64), *sets]), return_counts=True)
    return Counts(keys[uploaders >= least], uploaders[uploaders >= least], least)


def least_of(table: str) -> int:
    """The fewest uploaders of a kept key: 1 for tags, as a name is known once anyone has it; 2 otherwise."""
    return {"tag": 1, "cues": 3}.get(table, 2)


def look_up(rising: NDArray[np.integer], wanted: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return the insertion index of each wanted key, and True where it is present."""
    if not len(rising):
        return np.zeros(len(wanted), np.intp), np.zeros(len(wanted), np.bool_)
    positions = np.minimum(np.searchsorted(rising, wanted), len(rising) - 1)
    return positions, rising[positions] == wanted
