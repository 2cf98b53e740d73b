"""How likely each proposed tag is, all channels together: which candidates are worth ranking.

Gradient-boosted trees (LightGBM: MIT, alive, deterministic, and its model is a text file) over

    the score of every channel, missing where it did not propose the tag, and its best score for this video
    how many uploaders and videos use the tag
    how the tag's name stands in the text (recall/name_words.py)

fitted on uploaders that no channel learnt from. A logistic regression of the same finds 0.56 of the tags within 200
where the trees find 0.58; the plain sum of the channels 0.53.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
from numpy.typing import NDArray

from recall.name_words import SIGNS, NameWords
from tagging.config.random_streams import Stream
from tagging.config.recall import RecallFusionConfig
from tagging.errors import NothingToLearnError
from tagging.files.trees import fit_trees, read_trees, write_trees
from tagging.splits import cross_fit
from tagging.types import Candidates

Floats = NDArray[np.float32]


class Fusion:
    def __init__(self, booster: lightgbm.Booster, words: NameWords, uses: Floats) -> None:
        """uses: (N, 2) uploaders and videos that use each tag."""
        self._booster = booster
        self._words = words
        self._uses = uses

    def weigh(self, candidates: Candidates, text: str) -> Candidates:
        """The same candidates, each with how likely it is."""
        known = set(self._booster.feature_name())
        expected = set(_names(candidates.channels))
        if known != expected:
            raise ValueError(f"the blend was fitted for other channels: {sorted(known ^ expected)}")
        if not len(candidates.tag_rows):
            return replace(candidates, likely=np.zeros(0, np.float32))
        signs = features_of(candidates, text, self._words, self._uses)
        likely = self._booster.predict(signs, num_threads=1)
        return replace(candidates, likely=np.asarray(likely, np.float32))

    def save(self, path: Path) -> None:
        write_trees(self._booster, path)

    @classmethod
    def load(cls, path: Path, words: NameWords, uses: Floats) -> "Fusion":
        return cls(read_trees(path), words, uses)


def fit_fusion(
    videos: Sequence[tuple[Candidates, str, NDArray[np.int64]]],
    words: NameWords,
    uses: Floats,
    config: RecallFusionConfig,
    seed: int,
) -> Fusion:
    """Fit on (candidates, text, true catalog rows) of videos that the channels did not learn from."""
    signs = np.concatenate([features_of(candidates, text, words, uses) for candidates, text, _ in videos])
    right = np.concatenate([np.isin(candidates.tag_rows, true) for candidates, _, true in videos])
    if not 0 < right.sum() < len(right):
        raise NothingToLearnError(f"{right.sum()} of {len(right)} candidates are right: nothing to learn from")
    options = {"objective": "binary", "seed": seed, "num_threads": 2}
    return Fusion(fit_trees(signs, right, _names(videos[0][0].channels), config, options), words, uses)


def cross_fitted_candidates(
    videos: Sequence[tuple[Candidates, str, NDArray[np.int64]]],
    groups: NDArray[np.int64],
    words: NameWords,
    uses: Floats,
    config: RecallFusionConfig,
    seed: int,
) -> list[Candidates]:
    """The candidates of each video, as likely as a blend finds them that was fitted on the other half of the groups.

    What comes after recall learns from these: a blend is too sure of the videos that it was fitted on.
    groups: (V,) equal for videos of one uploader
    """
    generator = np.random.default_rng([seed, Stream.FUSION_FOLDS])
    models = cross_fit(
        groups, generator, lambda rows: fit_fusion([videos[row] for row in rows.tolist()], words, uses, config, seed)
    )
    return [model.weigh(candidates, text) for model, (candidates, text, _) in zip(models, videos, strict=True)]


def top_candidates(candidates: Candidates, budget: int) -> Candidates:
    """The likeliest candidates, by rising catalog row as before; equal ones by row."""
    if candidates.likely is None or len(candidates.tag_rows) <= budget:
        return candidates
    kept = np.sort(np.lexsort((candidates.tag_rows, -candidates.likely))[:budget])
    rows = candidates.tag_rows[kept]
    new = {row: name for row, name in candidates.new.items() if row in rows}
    return replace(candidates, tag_rows=rows, scores=candidates.scores[kept], likely=candidates.likely[kept], new=new)


def features_of(candidates: Candidates, text: str, words: NameWords, uses: Floats) -> Floats:
    """(K, 2C + 2 + SIGNS) what the trees look at, NaN where a channel said nothing."""
    rows = candidates.tag_rows
    scores = np.log(np.maximum(candidates.scores, 1e-6))
    spoke = np.isfinite(scores).any(axis=0)
    best = np.full(scores.shape[1], np.nan, np.float32)
    best[spoke] = np.nanmax(scores[:, spoke], axis=0)
    named = words.signs(text, rows[rows < len(uses)])
    used = np.zeros((len(rows), 2), np.float32)
    used[rows < len(uses)] = uses[rows[rows < len(uses)]]
    if len(named) < len(rows):  # beyond the catalog, whose rows come last
        new = NameWords([candidates.new[row] for row in rows[len(named) :].tolist()])
        named = np.concatenate([named, new.signs(text, np.arange(len(rows) - len(named)))])
    best = np.broadcast_to(best, scores.shape)
    return np.concatenate([scores, best, np.log1p(used), named], axis=1).astype(np.float32)


def _names(channels: Sequence[str]) -> list[str]:
    named = [*channels, *(f"best of {channel}" for channel in channels), "uploaders", "videos", *SIGNS]
    return [name.replace(" ", "_") for name in named]


def uses_of(tag_rows: NDArray[np.int64], uploaders: NDArray[np.int64], tags: int) -> Floats:
    """(N, 2) uploaders and videos of each tag, from the tag and the uploader of every (video, tag) pair."""
    by_uploader = np.unique(np.stack([tag_rows, uploaders]), axis=1)[0]
    counts = [np.bincount(one, minlength=tags) for one in (by_uploader, tag_rows)]
    return np.stack(counts, axis=1).astype(np.float32)
