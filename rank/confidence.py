"""How sure a candidate is: what recall says of it, the ranker's cosine and the order's score, as a probability.

    confidence = σ(w · signs + b + the tag's offset)
    signs = log-odds of recall's likelihood, cosine, 1 for a new tag, order (order.py)

A logistic regression (scikit-learn), fitted on videos that neither the channels nor the towers learnt from, and for
which the order was fitted on others. Where there are few videos it leaves little weight to the trees of the order.
Most tags have no offset, many bundles none at all (offsets.py).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from rank.tag_offsets import HeldOutLogOdds, candidate_offsets, fit_offsets
from rank.tree_reranker import Example, odds_of
from tagging.config.rank import TagOffsetsConfig
from tagging.errors import NothingToLearnError
from tagging.types import Candidates

Floats = NDArray[np.float32]
Floats64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ConfidenceModel:
    likely: float
    cosine: float
    new: float
    order: float
    bias: float
    offsets: Mapping[int, float] = field(default_factory=dict)  # of catalog rows

    def weigh(self, candidates: Candidates, cosines: Floats, ordered: Floats) -> Floats:
        """(K,) probabilities that the candidates are right; cosines, ordered: (K,)"""
        offsets = candidate_offsets(candidates.tag_rows, candidates.new, self.offsets)
        return np.asarray(expit(self.odds(features_of(candidates, cosines, ordered)) + offsets), np.float32)

    def odds(self, signs: Floats64) -> Floats64:
        """(K,) log-odds without offsets; signs: (K, 4)"""
        return np.asarray(signs @ np.array([self.likely, self.cosine, self.new, self.order]) + self.bias)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "ConfidenceModel":
        said = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**said, "offsets": {int(row): float(offset) for row, offset in said["offsets"].items()}})


def fit_confidence(
    videos: Sequence[Example],
    ordered: Sequence[Floats],
    uploaders: NDArray[np.int64],
    config: TagOffsetsConfig,
    seed: int,
) -> ConfidenceModel:
    """Fit on V videos that nothing before was fitted on, and on what an order made of them that did not know them.

    uploaders: (V,) equal for videos of one uploader
    Raises NothingToLearnError where all candidates are right, or none is.
    """
    signs = np.concatenate(
        [features_of(one, near, score) for (one, near, _), score in zip(videos, ordered, strict=True)]
    )
    right = np.concatenate([np.isin(candidates.tag_rows, true) for candidates, _, true in videos])
    if not 0 < right.sum() < len(right):
        raise NothingToLearnError(f"{right.sum()} of {len(right)} candidates are right: nothing to learn from")
    model = LogisticRegression(C=1.0, max_iter=1000).fit(signs, right)
    likely, cosine, new, order = map(float, model.coef_[0])
    alike = ConfidenceModel(likely, cosine, new, order, float(model.intercept_[0]))
    rows = np.concatenate([candidates.tag_rows for candidates, _, _ in videos])
    owners = np.repeat(uploaders, [len(candidates.tag_rows) for candidates, _, _ in videos])
    judged = HeldOutLogOdds(alike.odds(signs), right, rows, owners).only(
        signs[:, 2] == 0
    )  # a new tag's row is no tag's own
    return replace(alike, offsets=fit_offsets(judged, config, seed))


def features_of(candidates: Candidates, cosines: Floats, ordered: Floats) -> Floats64:
    """(K, 4) what a confidence rests on."""
    is_new = np.array([row in candidates.new for row in candidates.tag_rows.tolist()], np.float64)
    return np.stack([odds_of(candidates), cosines, is_new, ordered], axis=1)
