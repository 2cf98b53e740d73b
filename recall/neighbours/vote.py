"""Neighbour voting: the tags of the labelled videos near a query, weighted by similarity.

A neighbour i of cosine s_i has the weight w_i = exp((s_i - s_1) / T), where s_1 is the cosine of the nearest. An
uploader has one vote per tag, with the weight of its nearest neighbour that has the tag: otherwise the tags that
one uploader puts on every video would win. The score of a tag is its share of all votes, times s_1, so that distant
neighbours never give high scores.
"""

import numpy as np

from recall.neighbours.table import LabelledTable
from recall.topk import top_k
from tagging.types import FloatRows, Indices, Neighbours

TEMPERATURE = 0.1


def vote(neighbours: Neighbours, table: LabelledTable, limit: int) -> tuple[Indices, FloatRows]:
    """Return at most `limit` tags of the neighbours and their scores in [0, 1], best first, equal scores by row."""
    rows, similarities = neighbours.video_rows, neighbours.similarities.astype(np.float64)
    if not len(rows) or similarities[0] <= 0:
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    weights = np.exp((similarities - similarities[0]) / TEMPERATURE)
    uploaders = table.uploaders_of(rows)
    _, first_of_uploader = np.unique(uploaders, return_index=True)  # nearest first, so each one's largest weight
    possible = weights[first_of_uploader].sum()

    lists = [table.tags_of(row) for row in rows.tolist()]
    tags = np.concatenate(lists)
    if not len(tags):
        return np.zeros(0, np.int64), np.zeros(0, np.float32)
    lengths = [len(tag_rows) for tag_rows in lists]
    votes = np.stack([tags, np.repeat(uploaders, lengths)])
    _, first = np.unique(votes, axis=1, return_index=True)
    tag_rows, slot = np.unique(tags[first], return_inverse=True)
    shares = np.bincount(slot, weights=np.repeat(weights, lengths)[first]) / possible
    scores = np.minimum(shares * min(similarities[0], 1.0), 1.0).astype(np.float32)
    order = top_k(scores, tag_rows, limit)
    return tag_rows[order], scores[order]
