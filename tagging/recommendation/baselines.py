"""Baselines of recommendation: popularity, item-kNN over sequences, and a TF-IDF profile of titles."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from tagging.ragged import Ragged
from tagging.types import FloatRows, Indices

RECENCY = 0.7  # weight of a video of the history against the one after it


class Popularity:
    """Videos by the number of users who watched them."""

    def __init__(self, training: Ragged, catalog: int) -> None:
        self._counts = np.bincount(training.values, minlength=catalog).astype(np.float32)

    def scores(self, histories: Ragged, candidates: Indices) -> FloatRows:
        return np.tile(self._counts[candidates], (len(histories), 1))


class ItemNeighbours:
    """Item-kNN: videos watched by the users who watched those of the history (Sarwar et al. 2001).

    The similarity of two videos is the cosine of their columns of users; the last videos of a history count most.
    """

    def __init__(self, training: Ragged, catalog: int, recency: float = RECENCY) -> None:
        ones = np.ones(len(training.values), np.float32)
        users = sparse.csr_array((ones, training.values, training.starts), shape=(len(training), catalog))
        norms = np.sqrt(np.maximum(np.asarray(users.sum(axis=0)).ravel(), 1))
        scaled = users @ sparse.diags_array(1 / norms)
        similar = (scaled.T @ scaled).tolil()
        similar.setdiag(0)
        self._similar = similar.tocsr()
        self._recency = recency

    def scores(self, histories: Ragged, candidates: Indices) -> FloatRows:
        profile = recent(histories, self._similar.shape[0], self._recency)
        return np.asarray((profile @ self._similar)[:, candidates].todense(), np.float32)


class TextProfile:
    """Titles near those of the history: the recency-weighted mean of TF-IDF rows against each candidate's row."""

    def __init__(self, texts: Sequence[str], recency: float = RECENCY) -> None:
        """texts: V, of the catalog"""
        from sklearn.feature_extraction.text import TfidfVectorizer  # takes seconds to import

        try:
            self._rows = TfidfVectorizer(sublinear_tf=True, min_df=2).fit_transform(texts).tocsr()
        except ValueError:  # scikit-learn's for texts of which no two have a word in common: all are equally near
            self._rows = sparse.csr_array((len(texts), 1))
        self._recency = recency

    def scores(self, histories: Ragged, candidates: Indices) -> FloatRows:
        profile = recent(histories, self._rows.shape[0], self._recency) @ self._rows
        return np.asarray((profile @ self._rows[candidates].T).todense(), np.float32)


class Random:
    """Scores without any knowledge."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator

    def scores(self, histories: Ragged, candidates: Indices) -> FloatRows:
        return self._generator.random((len(histories), len(candidates)), np.float32)


def recent(histories: Ragged, catalog: int, recency: float) -> sparse.csr_array:
    """Return (n, V) weights: recency^d of the video d places before the last of each history."""
    lengths = np.diff(histories.starts)
    distance = np.repeat(histories.starts[1:], lengths) - 1 - np.arange(len(histories.values))
    weights = np.power(recency, distance).astype(np.float32)
    return sparse.csr_array((weights, histories.values, histories.starts), shape=(len(histories), catalog))
