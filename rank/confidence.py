"""Confidence model: the probability that a candidate is correct, from recall, the towers' cosine and the re-ranker.

    confidence = σ(w · features + b + the tag's offset)
    features = log-odds of recall's probability, cosine, 1 for a new tag, score of the re-ranker (rank/tree_reranker.py)

A logistic regression (scikit-learn), fitted on videos that neither the channels nor the towers were trained on; the
re-ranker's scores of a video come from trees that were fitted on other videos. With few videos the trees get little
weight. Most tags have no offset, and many bundles have none at all (rank/tag_offsets.py).
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

    features = np.concatenate(
        [
            confidence_features(candidates, cosines, scores)
            for (candidates, cosines, _), scores in zip(videos, reranked, strict=True)
        ]
    )
    correct = np.concatenate([np.isin(candidates.tag_rows, true) for candidates, _, true in videos])
    if not 0 < correct.sum() < len(correct):
        raise NothingToLearnError(f"{correct.sum()} of {len(correct)} candidates are correct: nothing to learn from")
    regression = LogisticRegression(C=1.0, max_iter=1000).fit(features, correct)
    likely, cosine, new, order = map(float, regression.coef_[0])
    model = ConfidenceModel(likely, cosine, new, order, float(regression.intercept_[0]))
    rows = np.concatenate([candidates.tag_rows for candidates, _, _ in videos])
    owners = np.repeat(uploaders, [len(candidates.tag_rows) for candidates, _, _ in videos])
    held_out = HeldOutLogOdds(model.log_odds(features), correct, rows, owners)
    in_catalog = features[:, NEW] == 0  # the row of a new tag identifies it within its video only
    return replace(model, offsets=fit_offsets(held_out.only(in_catalog), config, seed))


def confidence_features(candidates: Candidates, cosines: Floats, reranked: Floats) -> Floats64:
    """Return the (K, 4) features of a video's candidates, in the order of the weights."""
    is_new = np.array([row in candidates.new for row in candidates.tag_rows.tolist()], np.float64)
    return np.stack([recall_log_odds(candidates), cosines, is_new, reranked], axis=1)
