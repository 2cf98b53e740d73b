"""Selection: which ranked candidates become the tags of an answer."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tagging.config.root import SelectConfig
from tagging.types import Candidates, TagScores

Rows = NDArray[np.int64]


def best_first(candidates: Candidates, scores: TagScores) -> Rows:
    """Return the positions of the candidates by falling confidence.

    Ties are in the order of the catalog, which begins with the most frequent tags.
    """
    if scores.confidences.shape != candidates.tag_rows.shape:
        raise ValueError(f"{len(candidates.tag_rows)} candidates, confidences {scores.confidences.shape}")
    return np.lexsort((candidates.tag_rows, -scores.confidences))


def drop_implied(candidates: Candidates, scores: TagScores, parents: Sequence[Sequence[int]], limit: int) -> Rows:
    """Return the positions of at most `limit` candidates, best first, without ancestors of better ones.

    A reader of "beagle" learns nothing from "dog" after it. A broader tag that comes first has the higher confidence
    and stays: the threshold decides whether the narrower one is shown. Synonyms were merged into one tag before.

    parents: of each row of the catalog; tags beyond it have none
    """
    kept: list[int] = []
    implied: set[int] = set()
    for position in best_first(candidates, scores).tolist():
        if len(kept) == limit:
            break
        row = int(candidates.tag_rows[position])
        if row not in implied:
            kept.append(position)
            implied |= _ancestors(row, parents)
    return np.array(kept, np.int64)


def select(candidates: Candidates, scores: TagScores, parents: Sequence[Sequence[int]], config: SelectConfig) -> Rows:
    """Return the positions of the selected candidates, best first: at most max_tags, none below min_confidence.

    parents: of each row of the catalog; tags beyond it have none
    """
    positions = drop_implied(candidates, scores, parents, config.max_tags)
    return positions[scores.confidences[positions] >= config.min_confidence]


def implying(candidates: Candidates, chosen: Rows, parents: Sequence[Sequence[int]]) -> dict[int, int]:
    """Return the position of the best chosen candidate that implies a tag, by the row of each implied tag.

    chosen: positions, best first
    parents: of each row of the catalog; tags beyond it have none
    """
    implied: dict[int, int] = {}
    for position in chosen.tolist():
        for ancestor in _ancestors(int(candidates.tag_rows[position]), parents):
            implied.setdefault(ancestor, position)
    return implied


def _ancestors(row: int, parents: Sequence[Sequence[int]]) -> set[int]:
    found: set[int] = set()
    queue = list(parents[row]) if row < len(parents) else []
    while queue:
        ancestor = queue.pop()
        if ancestor not in found:
            found.add(ancestor)
            queue += parents[ancestor]
    return found
