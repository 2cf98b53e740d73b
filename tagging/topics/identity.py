"""Identity of topics across refits: which new topic continues which old one, what was born and what died.

Centres of two fits lie in different spaces and cannot be compared. The old model therefore assigns the new pool too,
and topics are compared by the videos that they hold: the overlap of old topic i and new topic j is n_ij / √(n_i n_j)
(Ochiai 1957), and the pairs are those of the largest total overlap (assignment problem, solved exactly by SciPy).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from tagging.types import Indices

LEAST_OVERLAP = 0.3  # of a topic that continues another; at 0.5 both hold half of the other's videos


@dataclass(frozen=True, slots=True)
class Lineage:
    """The fate of the topics of an earlier model; drift is 1 - overlap, 0 for a topic that holds the same videos."""

    ids: tuple[int, ...]  # of the K new topics
    drift: dict[int, float]  # of each topic that continues
    born: tuple[int, ...]
    died: tuple[int, ...]
    next_id: int  # larger than every id that was ever given


def first_lineage(count: int) -> Lineage:
    """Return the lineage of a model without an earlier one: ids from 1."""
    ids = tuple(range(1, count + 1))
    return Lineage(ids, {}, ids, (), count + 1)


def overlaps(old: Indices, new: Indices, old_count: int, new_count: int) -> NDArray[np.float64]:
    """Return the overlap (K_old, K_new) in [0, 1] of the topics of V videos.

    old, new: (V,) row of the one topic of each video in either model; -1 for a video without any
    """
    kept = (old >= 0) & (new >= 0)
    both = np.zeros((old_count, new_count))
    np.add.at(both, (old[kept], new[kept]), 1.0)
    sizes = np.outer(both.sum(axis=1), both.sum(axis=0))
    return np.divide(both, np.sqrt(sizes), out=np.zeros_like(both), where=sizes > 0)


def match(overlap: NDArray[np.float64], old_ids: Sequence[int], next_id: int) -> Lineage:
    """Return the ids of the new topics: those of the old topics that they continue, and new ones.

    overlap: (K_old, K_new); next_id: larger than every id that was ever given
    """
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    pairs = zip(columns.tolist(), rows.tolist(), strict=True)
    continued = {new: old for new, old in pairs if overlap[old, new] >= LEAST_OVERLAP}
    ids = []
    for new in range(overlap.shape[1]):
        if new in continued:
            ids.append(old_ids[continued[new]])
        else:
            ids.append(next_id)
            next_id += 1
    drift = {old_ids[old]: round(1.0 - float(overlap[old, new]), 4) for new, old in sorted(continued.items())}
    born = tuple(ids[new] for new in range(len(ids)) if new not in continued)
    return Lineage(tuple(ids), drift, born, tuple(topic for topic in old_ids if topic not in drift), next_id)
