"""Cheap model of the review benchmark: latent n-gram features and one logistic regression for all tags.

It stands for a full training, which takes minutes: a round takes a second. It is linear and sees texts only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.decomposition import TruncatedSVD

from tagging.progress import Progress
from tagging.tools.benchmarks.ngrams import tfidf

DIM = 256
PENALTY = 30.0  # on half of the squared weights; of 10, 30 and 100 the best for random order on seed 0
STEPS = 25  # of L-BFGS
LEAST_PRIOR, MOST_PRIOR = 1e-3, 0.9

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class LinearTagger:
    """One logistic regression for each tag that a labelled video has; the confidence of other tags is 0."""

    tag_rows: NDArray[np.int64]  # (M,) of N tags
    weights: Rows  # (D, M)
    biases: Rows  # (M,)
    tags: int  # N

    def confidences(self, features: Rows) -> Rows:
        """(V, D) features -> (V, N) in [0, 1]."""
        found = np.zeros((len(features), self.tags), np.float32)
        found[:, self.tag_rows] = expit(features @ self.weights + self.biases)
        return found


def text_features(texts: Sequence[str], progress: Progress) -> Rows:
    """Return (V, DIM) features of all texts, without their tags: TF-IDF of n-grams in a latent space, scaled as one."""
    grams, _ = tfidf(texts, texts[:1], progress)
    dim = min(DIM, min(grams.shape) - 1)
    rows = TruncatedSVD(dim, random_state=0).fit_transform(grams).astype(np.float32)
    rows -= rows.mean(axis=0)
    return np.asarray(rows / rows.std(), np.float32)


def fit(features: Rows, labels: Rows) -> LinearTagger:
    """Fit on (V, D) features and (V, N) labels of 0 and 1, by L-BFGS from the tags' shares."""
    rows = np.flatnonzero(labels.any(axis=0))
    x, y = features.astype(np.float64), labels[:, rows].astype(np.float64)
    share = np.clip(y.mean(axis=0), LEAST_PRIOR, MOST_PRIOR)
    start = np.vstack([np.zeros((x.shape[1], len(rows))), np.log(share / (1.0 - share))])  # (D + 1, M), biases last

    def loss(values: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights, biases = values.reshape(start.shape)[:-1], values.reshape(start.shape)[-1]
        logits = x @ weights + biases
        residuals = expit(logits) - y
        total = (np.logaddexp(0.0, logits) - y * logits).sum() + 0.5 * PENALTY * np.square(weights).sum()
        gradient = np.vstack([x.T @ residuals + PENALTY * weights, residuals.sum(axis=0)])
        return float(total), gradient.ravel()

    found = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x
    fitted = found.reshape(start.shape).astype(np.float32)
    return LinearTagger(rows, fitted[:-1], fitted[-1], labels.shape[1])
