"""Confidence model: the probability that a candidate is correct, from recall, the towers' cosine and the re-ranker.

    confidence = σ(w · features + b + the tag's offset)
    features = log-odds of recall's probability, cosine, 1 for a new tag, score of the re-ranker (rank/tree_reranker.py)

A logistic regression (scikit-learn), fitted on videos that neither the channels nor the towers were trained on; the
re-ranker's scores of a video come from trees that were fitted on other videos. With few videos the trees get little
weight. Only the best candidates of each video (FITTED) take part, as others are hardly ever answered: recall is what
tells the hopeless ones of all 200 from the rest, so it would get a weight that puts fewer right tags first. Most tags
have no offset, and many bundles have none at all (rank/tag_offsets.py).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from rank.tag_offsets import HeldOutLogOdds, candidate_offsets, fit_offsets
from rank.tree_reranker import Example, recall_log_odds
from tagging.config.rank import TagOffsetsConfig
from tagging.errors import NothingToLearnError
from tagging.types import Candidates, TagScores

FITTED = 20  # candidates of a video, the best by the re-ranker
NEW = 2  # column of the features
# Terms of the log-odds: of the features, in their order, the tag's offset, and the bias.
TERMS = ("recall", "cosine", "new", "re-ranker", "offset", "bias")

Floats = NDArray[np.float32]
Floats64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ConfidenceModel:
    """Weights of the features, named as in a bundle's confidence.json."""

    likely: float  # of the log-odds of recall's probability
    cosine: float
    new: float
    order: float  # of the re-ranker's score
    bias: float
    offsets: Mapping[int, float] = field(default_factory=dict)  # catalog row -> log-odds

    def scores(self, candidates: Candidates, cosines: Floats, reranked: Floats) -> TagScores:
        """Return the probabilities that the candidates are correct, with the contribution of each of TERMS.

        cosines, reranked: (K,) cosine and re-ranker score of each candidate
        """
        features = confidence_features(candidates, cosines, reranked) * self._weights()
        offsets = candidate_offsets(candidates.tag_rows, candidates.new, self.offsets)
        terms = np.column_stack([features, offsets, np.full(len(features), self.bias)])  # (K, 6)
        return TagScores(expit(terms.sum(axis=1)).astype(np.float32), dict(zip(TERMS, terms.T, strict=True)))

    def log_odds(self, features: Floats64) -> Floats64:
        """Return (K,) log-odds without offsets; features: (K, 4)"""
        return np.asarray((features * self._weights()).sum(axis=1) + self.bias)

    def _weights(self) -> Floats64:
        return np.array([self.likely, self.cosine, self.new, self.order])

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "ConfidenceModel":
        stored = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**stored, "offsets": {int(row): float(offset) for row, offset in stored["offsets"].items()}})


def fit_confidence(
    videos: Sequence[Example],
    reranked: Sequence[Floats],
    uploaders: NDArray[np.int64],
    config: TagOffsetsConfig,
    seed: int,
) -> ConfidenceModel:
    """Fit on V videos that no earlier stage was fitted on.

    reranked:  V, (K,) scores by a re-ranker that was not fitted on the video (`cross_fitted_scores`)
    uploaders: (V,) equal for videos of one uploader
    Raises NothingToLearnError if all candidates are correct, or none is.
    """
    from sklearn.linear_model import LogisticRegression  # takes seconds, which tagging would wait for

    parts, rows, right = [], [], []
    for (candidates, cosines, true), scores in zip(videos, reranked, strict=True):
        best = np.argsort(-scores, kind="stable")[:FITTED]
        parts.append(confidence_features(candidates, cosines, scores)[best])
        rows.append(candidates.tag_rows[best])
        right.append(np.isin(rows[-1], true))
    features, correct = np.concatenate(parts), np.concatenate(right)
    if not 0 < correct.sum() < len(correct):
        raise NothingToLearnError(f"{correct.sum()} of {len(correct)} candidates are correct: nothing to learn from")
    regression = LogisticRegression(C=1.0, max_iter=1000).fit(features, correct)
    likely, cosine, new, order = map(float, regression.coef_[0])
    model = ConfidenceModel(likely, cosine, new, order, float(regression.intercept_[0]))
    owners = np.repeat(uploaders, list(map(len, rows)))
    held_out = HeldOutLogOdds(model.log_odds(features), correct, np.concatenate(rows), owners)
    in_catalog = features[:, NEW] == 0  # the row of a new tag identifies it within its video only
    return replace(model, offsets=fit_offsets(held_out.only(in_catalog), config, seed))


def confidence_features(candidates: Candidates, cosines: Floats, reranked: Floats) -> Floats64:
    """Return the (K, 4) features of a video's candidates, in the order of the weights."""
    is_new = np.array([row in candidates.new for row in candidates.tag_rows.tolist()], np.float64)
    return np.stack([recall_log_odds(candidates), cosines, is_new, reranked], axis=1)
