"""How sure a candidate is: what recall says of it, the ranker's cosine and the order's score, as a probability.

    confidence = σ(w · signs + b),   signs = log-odds of recall's likelihood, cosine, 1 for a new tag, order (order.py)

A logistic regression (scikit-learn), fitted on videos that neither the channels nor the towers learnt from, and for
which the order was fitted on others. Where there are few videos it leaves little weight to the trees of the order.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from rank.order import Example, odds_of
from tagging.errors import NothingToLearnError
from tagging.types import Candidates

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Confidence:
    likely: float
    cosine: float
    new: float
    order: float
    bias: float

    def weigh(self, candidates: Candidates, cosines: Floats, ordered: Floats) -> Floats:
        """(K,) probabilities that the candidates are right; cosines, ordered: (K,)"""
        weights = np.array([self.likely, self.cosine, self.new, self.order])
        return np.asarray(expit(signs_of(candidates, cosines, ordered) @ weights + self.bias), np.float32)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Confidence":
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def fit_confidence(videos: Sequence[Example], ordered: Sequence[Floats]) -> Confidence:
    """Fit on videos that nothing before was fitted on, and on what an order made of them that did not know them.

    Raises NothingToLearnError where all candidates are right, or none is.
    """
    signs = np.concatenate([signs_of(one, near, score) for (one, near, _), score in zip(videos, ordered, strict=True)])
    right = np.concatenate([np.isin(candidates.tag_rows, true) for candidates, _, true in videos])
    if not 0 < right.sum() < len(right):
        raise NothingToLearnError(f"{right.sum()} of {len(right)} candidates are right: nothing to learn from")
    model = LogisticRegression(C=1.0, max_iter=1000).fit(signs, right)
    likely, cosine, new, order = map(float, model.coef_[0])
    return Confidence(likely, cosine, new, order, float(model.intercept_[0]))


def signs_of(candidates: Candidates, cosines: Floats, ordered: Floats) -> NDArray[np.float64]:
    """(K, 4) what a confidence rests on."""
    is_new = np.array([row in candidates.new for row in candidates.tag_rows.tolist()], np.float64)
    return np.stack([odds_of(candidates), cosines, is_new, ordered], axis=1)
