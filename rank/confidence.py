"""How sure a candidate is: what recall says of it and the ranker's cosine, together, as a probability.

    confidence = σ(w · signs + b),   signs = log-odds of recall's likelihood, cosine, 1 for a tag beyond the catalog

A logistic regression (scikit-learn), fitted on videos that neither the channels nor the towers learnt from. Boosted
trees over these and every channel's score were no better on three sets (rank/README.md), and three weights can be read.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from tagging.errors import NothingToLearnError
from tagging.types import Candidates

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Confidence:
    likely: float
    cosine: float
    new: float
    bias: float

    def weigh(self, candidates: Candidates, cosines: Floats) -> Floats:
        """(K,) probabilities that the candidates are right."""
        weights = np.array([self.likely, self.cosine, self.new])
        return np.asarray(expit(signs_of(candidates, cosines) @ weights + self.bias), np.float32)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Confidence":
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def fit_confidence(videos: Sequence[tuple[Candidates, Floats, NDArray[np.int64]]]) -> Confidence:
    """Fit on (candidates, cosines, true catalog rows) of videos that nothing before was fitted on.

    Raises NothingToLearnError where all candidates are right, or none is.
    """
    signs = np.concatenate([signs_of(candidates, cosines) for candidates, cosines, _ in videos])
    right = np.concatenate([np.isin(candidates.tag_rows, true) for candidates, _, true in videos])
    if not 0 < right.sum() < len(right):
        raise NothingToLearnError(f"{right.sum()} of {len(right)} candidates are right: nothing to learn from")
    model = LogisticRegression(C=1.0, max_iter=1000).fit(signs, right)
    likely, cosine, new = map(float, model.coef_[0])
    return Confidence(likely, cosine, new, float(model.intercept_[0]))


def signs_of(candidates: Candidates, cosines: Floats) -> NDArray[np.float64]:
    """(K, 3) what a confidence rests on."""
    if candidates.likely is None:
        raise ValueError("candidates without a likelihood: their recall learnt none")
    odds = logit(np.clip(candidates.likely.astype(np.float64), 1e-6, 1 - 1e-6))
    is_new = [row in candidates.new for row in candidates.tag_rows.tolist()]
    return np.stack([odds, cosines, np.array(is_new, np.float64)], axis=1)
