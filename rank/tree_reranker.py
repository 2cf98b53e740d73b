"""Listwise re-ranker: boosted trees that order a video's candidates by recall, cosine and the score of each channel.

The objective is LightGBM's rank_xendcg (Bruch 2021, "An Alternative Cross Entropy Loss for Learning-to-Rank"): the
candidates of a video are compared with each other alone. Recall's fusion model does not do that: it is fitted to be
right about all candidates of all videos.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from tagging.config.random_streams import Stream
from tagging.config.rank import TreeRerankerConfig
from tagging.errors import NothingToLearnError
from tagging.files.trees import fit_trees, read_trees, write_trees
from tagging.splits import cross_fit
from tagging.types import Candidates

if TYPE_CHECKING:
    from lightgbm import Booster

Floats = NDArray[np.float32]
Example = tuple[Candidates, Floats, NDArray[np.int64]]  # candidates, their cosines (K,), the true catalog rows


class TreeReranker:
    def __init__(self, booster: "Booster") -> None:
        self._booster = booster

    def score(self, candidates: Candidates, cosines: Floats) -> Floats:
        """Return (K,) scores, higher is better; they have no unit and are comparable within a video only.

        cosines: (K,)
        Raises ValueError if the trees were fitted with other channels.
        """
        expected = _feature_names(candidates)
        if self._booster.feature_name() != expected:
            raise ValueError(f"the re-ranker was fitted with {self._booster.feature_name()}, not with {expected}")
        if not len(cosines):
            return np.zeros(0, np.float32)
        features = reranker_features(candidates, cosines)
        return np.asarray(self._booster.predict(features, raw_score=True, num_threads=1), np.float32)

    def save(self, path: Path) -> None:
        write_trees(self._booster, path)

    @classmethod
    def load(cls, path: Path) -> "TreeReranker":
        return cls(read_trees(path))


def fit_tree_reranker(videos: Sequence[Example], config: TreeRerankerConfig, seed: int) -> TreeReranker:
    """Fit on videos that no earlier stage was fitted on. Raises NothingToLearnError if none has a candidate."""
    examples = [(candidates, cosines, true) for candidates, cosines, true in videos if len(cosines)]
    if not examples:
        raise NothingToLearnError(f"{len(videos)} videos without a candidate: nothing to fit the re-ranker on")
    features = np.concatenate([reranker_features(candidates, cosines) for candidates, cosines, _ in examples])
    correct = np.concatenate([np.isin(candidates.tag_rows, true) for candidates, _, true in examples])
    options = {
        "objective": "rank_xendcg",
        "objective_seed": seed,
        "seed": seed,
        # All else equal, a higher recall probability or cosine never lowers the score.
        "monotone_constraints": [1, 1, *[0] * (features.shape[1] - 2)],
        "num_threads": 1,
    }
    names, sizes = _feature_names(examples[0][0]), [len(cosines) for _, cosines, _ in examples]
    return TreeReranker(fit_trees(features, correct, names, config, options, group_sizes=sizes))


def cross_fitted_scores(
    videos: Sequence[Example], groups: NDArray[np.int64], config: TreeRerankerConfig, seed: int
) -> list[Floats]:
    """Return the (K,) scores of each video by a re-ranker that was fitted on the other half of the groups.

    The confidence model is fitted on these: a re-ranker is overconfident on the videos it was fitted on.
    groups: (V,) equal for videos of one uploader
    """
    models = cross_fit(
        groups,
        np.random.default_rng([seed, Stream.RERANKER_FOLDS]),
        lambda rows: fit_tree_reranker([videos[row] for row in rows.tolist()], config, seed),
    )
    return [model.score(candidates, cosines) for model, (candidates, cosines, _) in zip(models, videos, strict=True)]


def reranker_features(candidates: Candidates, cosines: Floats) -> Floats:
    """Return (K, 3 + C): log-odds of recall's probability, cosine, 1 for a new tag, each channel's log score or NaN."""
    own = [recall_log_odds(candidates), cosines, [row in candidates.new for row in candidates.tag_rows.tolist()]]
    scores = np.log(np.maximum(candidates.scores, 1e-6))
    return np.concatenate([np.stack([np.asarray(column, np.float32) for column in own], axis=1), scores], axis=1)


def recall_log_odds(candidates: Candidates) -> NDArray[np.float64]:
    """Return (K,) log-odds of recall's probability, clipped to [1e-6, 1 - 1e-6].

    Raises ValueError if recall has no fusion model, so that there are no probabilities.
    """
    if candidates.probabilities is None:
        raise ValueError("candidates without a recall probability: their recall has no fusion model")
    return np.asarray(logit(np.clip(candidates.probabilities.astype(np.float64), 1e-6, 1 - 1e-6)))


def _feature_names(candidates: Candidates) -> list[str]:
    return [name.replace(" ", "_") for name in ("likely", "cosine", "new", *candidates.channels)]
