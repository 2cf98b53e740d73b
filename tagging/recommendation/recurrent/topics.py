"""Topics of videos: non-negative matrix factorisation of their tags and words (Lee & Seung 1999).

The paper represents a watched video by its topical distribution of a topic model over titles, tags and pictures.
"""

import numpy as np
from scipy import sparse

from tagging.errors import NothingToLearnError
from tagging.ragged import Ragged
from tagging.recommendation.items import TAGS, WORDS, Items
from tagging.types import FloatRows, Indices

PASSES = 10
BATCH = 2048  # videos


def video_topics(items: Items, learnt: Indices, count: int, generator: np.random.Generator) -> FloatRows:
    """Return the topics (V, count) of videos, shares that sum to 1; zeros for a video without tags and words.

    learnt: rows of the videos that the topics are learnt from
    Raises NothingToLearnError if none of them has a tag or a word.
    """
    from sklearn.decomposition import MiniBatchNMF  # takes seconds to import

    terms = [_counts(lists) for field in (TAGS, WORDS) if (lists := items.fields.get(field)) is not None]
    rows = sparse.hstack(terms).tocsr() if terms else sparse.csr_array((len(items), 0))
    has_terms = np.diff(rows.indptr) > 0
    taught = learnt[has_terms[learnt]]
    if not len(taught):
        raise NothingToLearnError(f"none of {len(learnt)} videos has a tag or a word to learn topics from")
    seed = int(generator.integers(2**31))
    model = MiniBatchNMF(count, batch_size=BATCH, max_iter=PASSES, tol=0.0, max_no_improvement=None, random_state=seed)
    model.fit(rows[taught])
    topics = np.zeros((len(items), count), np.float32)
    topics[has_terms] = model.transform(rows[has_terms])
    return np.asarray(topics / np.maximum(topics.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny), np.float32)


def _counts(lists: Ragged) -> sparse.csr_array:
    ones = np.ones(len(lists.values), np.float32)
    width = int(lists.values.max(initial=-1)) + 1
    return sparse.csr_array((ones, lists.values, lists.starts), shape=(len(lists), width))
