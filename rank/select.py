"""Which of the ranked candidates become tags."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagging.config.root import SelectConfig
from tagging.types import Candidates, TagScores

Rows = NDArray[np.int64]


def best_first(candidates: Candidates, scores: TagScores) -> Rows:
    """Places of the candidates by falling confidence; equal ones in the order of the catalog, where frequent tags come
    first."""
    if scores.confidences.shape != candidates.tag_rows.shape:
        raise ValueError(f"{len(candidates.tag_rows)} candidates, confidences {scores.confidences.shape}")
    return np.lexsort((candidates.tag_rows, -scores.confidences))


def drop_implied(candidates: Candidates, scores: TagScores, parents: Sequence[Sequence[int]], most: int) -> Rows:
    """Places of at most so many candidates, best first, without those that an earlier one implies.

    Who reads "beagle" learns nothing from "dog" after it. A broader tag that comes first is surer, and stays:
    whether the narrower one is shown at all is up to the threshold. Synonyms are one tag by now.
    """
    kept: list[int] = []
    implied: set[int] = set()
    for place in best_first(candidates, scores).tolist():
        if len(kept) == most:
            break
        row = int(candidates.tag_rows[place])
        if row not in implied:
            kept.append(place)
            implied |= _above(row, parents)
    return np.array(kept, np.int64)


def select(candidates: Candidates, scores: TagScores, parents: Sequence[Sequence[int]], config: SelectConfig) -> Rows:
    """Places of the chosen candidates, best first: at most max_tags, none below min_confidence.

    parents: of each row of the catalog; tags beyond it have none
    """
    places = drop_implied(candidates, scores, parents, config.max_tags)
    return places[scores.confidences[places] >= config.min_confidence]


def _above(row: int, parents: Sequence[Sequence[int]]) -> set[int]:
    """The tag's ancestors."""
    found: set[int] = set()
    ahead = list(parents[row]) if row < len(parents) else []
    while ahead:
        one = ahead.pop()
        if one not in found:
            found.add(one)
            ahead += parents[one]
    return found
