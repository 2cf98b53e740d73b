"""Predicted tags for the benchmark of topics: those that the nearest tagged videos of the training part vote for.

The confidence of a tag is the share of the NEIGHBOURS nearest videos that have it, among those with tags. They are
found by the text embeddings, less their mean.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from tagging.progress import Progress
from tagging.tools.benchmarks.nearest import nearest
from tagging.topics.content import ContentRows, dims_of
from tagging.topics.pool import Pool
from tagging.topics.representation import unit_rows
from tagging.types import FloatRows

NEIGHBOURS = 30
LEAST_SHARE = 0.1  # of the neighbours, that have a predicted tag
MOST_TAGS = 10


def neighbour_tags(training: Pool, held_out: Pool, progress: Progress) -> dict[str, Mapping[str, float]]:
    """Return the names and confidences of the tags of the videos without any, of both parts, by video id."""
    learnt = _rows(training)
    mean = learnt.mean(axis=0)
    given = training.tags
    tagged = np.flatnonzero([bool(tags) for tags in given])
    videos = unit_rows(learnt[tagged] - mean)
    found: dict[str, Mapping[str, float]] = {}
    for pool in (training, held_out):
        untagged = np.flatnonzero([not tags for tags in pool.tags])
        queries = unit_rows(_rows(pool)[untagged] - mean)
        neighbours, _ = nearest(queries, videos, NEIGHBOURS, progress)
        for row, near in zip(untagged.tolist(), neighbours, strict=True):
            votes = Counter(tag for video in tagged[near].tolist() for tag in given[video])
            found[pool.videos[row].video.video_id] = {
                tag: count / len(near)
                for tag, count in votes.most_common(MOST_TAGS)
                if count >= LEAST_SHARE * len(near)
            }
    return found


def _rows(pool: Pool) -> FloatRows:
    return ContentRows.of(pool.embeddings, {"text": dims_of(pool.embeddings)["text"]}).values["text"]
