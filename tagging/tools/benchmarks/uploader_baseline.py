"""Uploader baseline: the tags of the uploader's training videos, most frequent first.

It scores a test of seen uploaders without any look at the video, and predicts nothing for an unseen uploader.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from scipy import sparse

from tagging.ragged import starts_of
from tagging.tools.benchmarks.labels import Sparse, TrainingTags
from tagging.types import LabelledVideo


def uploader_tags(train: Sequence[LabelledVideo], tags: TrainingTags, tests: Sequence[LabelledVideo]) -> Sparse:
    """Return (Q, N) counts: the training videos of the uploader of each of the Q tests that have each tag."""
    videos_of: dict[str, list[int]] = defaultdict(list)
    for row, video in enumerate(train):
        if video.video.uploader_id is not None:
            videos_of[video.video.uploader_id].append(row)
    rows_of_uploader = [videos_of.get(video.video.uploader_id or "", []) for video in tests]
    starts = starts_of([len(rows) for rows in rows_of_uploader])
    columns = np.array([row for rows in rows_of_uploader for row in rows], np.int64)
    ones = np.ones(len(columns), np.float32)
    return sparse.csr_matrix((ones, columns, starts), shape=(len(tests), len(train))) @ tags.labels
