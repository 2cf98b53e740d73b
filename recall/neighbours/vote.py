"""Neighbour voting: the tags of the labelled videos near a query, weighted by similarity.

Encoders differ in the cosine of two unrelated videos: about 0.4 for EfficientNet, 0.85 for E5. So a neighbour of cosine
s has the closeness c = (s - b) / (1 - b), where the background b is the mean cosine of two labelled videos: 0 for an
unrelated video, 1 for the same one. Its weight is exp((c - c_1) / T), where c_1 is the closeness of the nearest. An
uploader has one vote per tag, with the weight of its nearest neighbour that has the tag: otherwise the tags that one
uploader puts on every video would win. The score of a tag is its share of all votes, times c_1, so that distant
neighbours never give high scores.
"""

import numpy as np

from recall.neighbours.table import LabelledTable
from recall.topk import top_k
from tagging.types import FloatRows, Indices, Neighbours

TEMPERATURE = 0.1
FEW = 50  # videos, at which half of the measured background counts: a few are no sample of the space


def background_of(rows: FloatRows) -> float:
    """Return the background of the unit rows (n, D) of labelled videos, in [0, 1); of few videos a smaller one."""
    count = len(rows)
    if count < 2:
        return 0.0
    total = rows.sum(axis=0, dtype=np.float64)
    mean = (float(total @ total) - count) / (count * (count - 1))  # of all pairs, without each row with itself
    return min(max(mean, 0.0), 0.99) * count / (count + FEW)


def nearest_without(neighbours: Neighbours, left_out: frozenset[int], k: int) -> Neighbours:
    """Return the k nearest of the neighbours whose rows are not left out."""
    if not left_out:
        return Neighbours(neighbours.video_rows[:k], neighbours.similarities[:k])
    kept = np.flatnonzero(~np.isin(neighbours.video_rows, list(left_out)))[:k]
    return Neighbours(neighbours.video_rows[kept], neighbours.similarities[kept])


def vote(
    neighbours: Neighbours, table: LabelledTable, limit: int, background: float = 0.0
) -> tuple[Indices, FloatRows]:
    """Return at most `limit` tags of the neighbours and their scores in [0, 1], best first, equal scores by row."""
    rows = neighbours.video_rows
    closeness = (neighbours.similarities.astype(np.float64) - background) / (1.0 - background)
    if not len(rows) or closeness[0] <= 0:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    weights = np.exp((closeness - closeness[0]) / TEMPERATURE)
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
    scores = np.minimum(shares * min(closeness[0], 1.0), 1.0).astype(np.float32)
    order = top_k(scores, tag_rows, limit)
    return tag_rows[order], scores[order]
