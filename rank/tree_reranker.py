"""Which candidate of a video comes before which: boosted trees over what every channel says, recall and the ranker.

Listwise (LightGBM's rank_xendcg; Bruch 2021, "An Alternative Cross Entropy Loss for Learning-to-Rank"): a video's
candidates are compared with each other alone, which recall's blend, fitted to be right about all that the channels
propose, does not. LightGBM (MIT, alive, deterministic) because its model is a text file.
"""

from collections.abc import Sequence
from pathlib import Path

import lightgbm
import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from tagging.config.random_streams import Stream
from tagging.config.rank import TreeRerankerConfig
from tagging.errors import NothingToLearnError
from tagging.files.trees import read_trees, write_trees
from tagging.splits import halves
from tagging.types import Candidates

Floats = NDArray[np.float32]
Example = tuple[Candidates, Floats, NDArray[np.int64]]  # candidates, their cosines, the true catalog rows


class TreeReranker:
    def __init__(self, booster: lightgbm.Booster) -> None:
        self._booster = booster

    def score(self, candidates: Candidates, cosines: Floats) -> Floats:
        """(K,) higher comes first; of no unit, and comparable within a video."""
        expected = _names(candidates)
        if self._booster.feature_name() != expected:
            raise ValueError(f"the order was fitted for {self._booster.feature_name()}, not for {expected}")
        if not len(cosines):
            return np.zeros(0, np.float32)
        signs = features_of(candidates, cosines)
        return np.asarray(self._booster.predict(signs, raw_score=True, num_threads=1), np.float32)

    def save(self, path: Path) -> None:
        write_trees(self._booster, path)

    @classmethod
    def load(cls, path: Path) -> "TreeReranker":
        return cls(read_trees(path))


def fit_tree_reranker(videos: Sequence[Example], config: TreeRerankerConfig, seed: int) -> TreeReranker:
    """Fit on videos that nothing before was fitted on. Raises NothingToLearnError where they have no candidates."""
    told = [(candidates, cosines, true) for candidates, cosines, true in videos if len(cosines)]
    if not told:
        raise NothingToLearnError(f"{len(videos)} videos without a candidate: nothing to learn an order from")
    signs = np.concatenate([features_of(candidates, cosines) for candidates, cosines, _ in told])
    right = np.concatenate([np.isin(candidates.tag_rows, true) for candidates, _, true in told])
    options = {
        "objective": "rank_xendcg",
        "objective_seed": seed,
        "learning_rate": config.rate,
        "num_leaves": config.leaves,
        "min_data_in_leaf": config.least_in_leaf,
        # All else equal, what recall finds likelier or the ranker nearer never comes later.
        "monotone_constraints": [1, 1, *[0] * (signs.shape[1] - 2)],
        "lambda_l2": 1.0,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        "num_threads": 1,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(
        signs, right.astype(np.float32), group=[len(cosines) for _, cosines, _ in told], feature_name=_names(told[0][0])
    )
    return TreeReranker(lightgbm.train(options, data, num_boost_round=config.trees))


def cross_fitted(
    videos: Sequence[Example], groups: NDArray[np.int64], config: TreeRerankerConfig, seed: int
) -> list[Floats]:
    """The scores of each video by an order that was fitted on the other half of the groups.

    How sure they make a candidate is learnt from these: an order is too sure of the videos that it was fitted on.
    groups: (V,) equal for videos of one uploader
    """
    half = halves(groups, np.random.default_rng([seed, Stream.RERANKER_FOLDS]))
    orders = [
        fit_tree_reranker([videos[row] for row in np.flatnonzero(half != side).tolist()], config, seed)
        for side in (0, 1)
    ]
    return [orders[side].score(candidates, near) for side, (candidates, near, _) in zip(half, videos, strict=True)]


def features_of(candidates: Candidates, cosines: Floats) -> Floats:
    """(K, 3 + C) the log-odds of recall's likelihood, cosine, newness, and each channel's log score or NaN."""
    own = [odds_of(candidates), cosines, [row in candidates.new for row in candidates.tag_rows.tolist()]]
    scores = np.log(np.maximum(candidates.scores, 1e-6))
    return np.concatenate([np.stack([np.asarray(one, np.float32) for one in own], axis=1), scores], axis=1)


def odds_of(candidates: Candidates) -> NDArray[np.float64]:
    """(K,) log-odds of recall's likelihood, which is never taken for certain."""
    if candidates.likely is None:
        raise ValueError("candidates without a likelihood: their recall learnt none")
    return np.asarray(logit(np.clip(candidates.likely.astype(np.float64), 1e-6, 1 - 1e-6)))


def _names(candidates: Candidates) -> list[str]:
    return [name.replace(" ", "_") for name in ("likely", "cosine", "new", *candidates.channels)]
