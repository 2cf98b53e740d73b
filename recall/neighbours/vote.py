"""Neighbour voting: the tags of the labelled videos near a query, weighted by similarity.

A neighbour of cosine s has the weight exp((s - s_1) / T), where s_1 is the cosine of the nearest. An uploader has one
vote per tag, with the weight of its nearest neighbour that has the tag: otherwise the tags that one uploader puts on
every video would win. The score of a tag is its share of all votes, times s_1, so that distant neighbours never give
high scores.
"""

import numpy as np

from recall.neighbours.table import LabelledTable
from recall.topk import top_k
from tagging.types import FloatRows, Indices, Neighbours

TEMPERATURE = 0.1  # T; recall/BENCHMARKS.md has others


def nearest_without(neighbours: Neighbours, left_out: frozenset[int], k: int) -> Neighbours:
    """Return the k nearest of the neighbours whose rows are not left out."""
    if not left_out:
        return Neighbours(neighbours.video_rows[:k], neighbours.similarities[:k])
    kept = np.flatnonzero(~np.isin(neighbours.video_rows, list(left_out)))[:k]
    return Neighbours(neighbours.video_rows[kept], neighbours.similarities[kept])


def vote(neighbours: Neighbours, table: LabelledTable, limit: int) -> tuple[Indices, FloatRows]:
    """Return at most `limit` tags of the neighbours and their scores in [0, 1], best first, equal scores by row."""
    rows, cosines = neighbours.video_rows, neighbours.similarities.astype(np.float64)
    if not len(rows) or cosines[0] <= 0:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    weights = np.exp((cosines - cosines[0]) / TEMPERATURE)
    uploaders = table.uploaders_of(rows)
    _, first_of_uploader = np.unique(uploaders, return_index=True)  # nearest first, so each one's largest weight
    possible = weights[first_of_uploader].sum()

    lists = table.tags_of(rows)
    tags, lengths = lists.values, np.diff(lists.starts)
    if not len(tags):
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    tag_rows, slots = np.unique(tags, return_inverse=True)
    # The first vote of each uploader for each tag; a pair as one number, since pairs are sorted much more slowly.
    _, first = np.unique(slots * (uploaders.max() + 1) + np.repeat(uploaders, lengths), return_index=True)
    shares = np.bincount(slots[first], weights=np.repeat(weights, lengths)[first]) / possible
    scores = np.minimum(shares * min(cosines[0], 1.0), 1.0).astype(np.float32)
    order = top_k(scores, tag_rows, limit)
    return tag_rows[order], scores[order]
