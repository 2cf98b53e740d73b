"""How labelled neighbours vote for their tags.

A neighbour i of cosine s_i has the weight w_i = exp((s_i - s_1) / T), where s_1 is the nearest one's. An uploader
has one vote a tag, the weight of its nearest neighbour with the tag: one channel's habit of putting the same
tags on every video would otherwise win. The score of a tag is its share of all votes, times s_1, so that far
neighbours cannot be sure of anything.
"""

import numpy as np
from numpy.typing import NDArray

from recall.neighbours.table import LabelledTable
from tagging.types import Neighbours

TEMPERATURE = 0.1


def vote(neighbours: Neighbours, voters: LabelledTable, limit: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """At most `limit` tags of the neighbours and their scores in [0, 1], best first, equal scores by row."""
    rows, similarities = neighbours.video_rows, neighbours.similarities.astype(np.float64)
    if not len(rows) or similarities[0] <= 0:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    weights = np.exp((similarities - similarities[0]) / TEMPERATURE)
    uploaders = voters.uploaders_of(rows)
    _, first_of_uploader = np.unique(uploaders, return_index=True)  # nearest first, so each one's largest
    possible = weights[first_of_uploader].sum()

    lists = [voters.tags_of(row) for row in rows.tolist()]
    voted = np.concatenate(lists)
    if not len(voted):
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    lengths = [len(one) for one in lists]
    votes = np.stack([voted, np.repeat(uploaders, lengths)])
    _, first = np.unique(votes, axis=1, return_index=True)
    tag_rows, slot = np.unique(voted[first], return_inverse=True)
    shares = np.bincount(slot, weights=np.repeat(weights, lengths)[first]) / possible
    scores = np.minimum(shares * min(similarities[0], 1.0), 1.0).astype(np.float32)
    order = np.lexsort((tag_rows, -scores))[:limit]
    return tag_rows[order], scores[order]
