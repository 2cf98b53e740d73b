"""Channel fusion: the probability of each candidate from the scores of all channels, and the candidates to rank.

Gradient-boosted trees (LightGBM: MIT, maintained, deterministic, and its model is a text file) over

    the score of every channel, missing where it did not propose the tag, also as a share of the channel's best score
    for this video, and that best score
    the number of uploaders and videos that use the tag
    the occurrence of the tag's name in the text (recall/name_words.py)

fitted on videos that no channel was trained on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recall.name_words import NAME_FEATURES, NameWords
from recall.topk import top_k
from tagging.config.random_streams import Stream
from tagging.config.recall import RecallFusionConfig
from tagging.errors import NothingToLearnError
from tagging.files.trees import fit_trees, read_trees, write_trees
from tagging.splits import cross_fit
from tagging.types import Candidates, FloatRows, Indices

if TYPE_CHECKING:
    from lightgbm import Booster


@dataclass(frozen=True, slots=True, eq=False)
class FusionExample:
    """A video that the channels' models were not trained on."""

    candidates: Candidates
    text: str
    true: Indices  # catalog rows of its tags
    uses: FloatRows  # (N, 2) uploaders and videos that use each tag among those that the channels know


class Fusion:
    """Fitted trees, and the tag names and use counts that their features need."""

    def __init__(self, booster: "Booster", words: NameWords, uses: FloatRows) -> None:
        """uses: (N, 2) uploaders and videos that use each tag"""
        self._booster = booster
        self._words = words
        self._uses = uses

    def with_uses(self, uses: FloatRows) -> "Fusion":
        """Return the same trees for channels that know other labelled videos; uses: as in the constructor."""
        return Fusion(self._booster, self._words, uses)

    def weigh(self, candidates: Candidates, text: str) -> Candidates:
        """Return the candidates with their probabilities.

        Raises ValueError if the fusion was fitted on other channels.
        """
        known = set(self._booster.feature_name())
        expected = set(_feature_names(candidates.channels))
        if known != expected:
            raise ValueError(f"the fusion was fitted on other channels: {sorted(known ^ expected)}")
        if not len(candidates.tag_rows):
            return replace(candidates, probabilities=np.zeros(0, np.float32))
        features = features_of(candidates, text, self._words, self._uses)
        probabilities = self._booster.predict(features, num_threads=1)
        return replace(candidates, probabilities=np.asarray(probabilities, np.float32))

    def contributions(self, candidates: Candidates, text: str, positions: Indices) -> Mapping[str, NDArray[np.float64]]:
        """Return the log-odds (n,) that each input adds to the probability of some of the candidates.

        By channel, "use" of the tag and "name in text"; with "base", the mean over the training data, they sum to the
        log-odds of the probability. They are the exact Shapley values of the trees (Lundberg et al. 2018, TreeSHAP).

        candidates, text: as `weigh` was given them
        positions: (n,) in the candidates
        """
        groups = _input_groups(candidates.channels)
        found = {name: np.zeros(len(positions)) for name in [*groups, "base"]}
        if len(positions):
            features = features_of(candidates, text, self._words, self._uses, positions)
            values = np.asarray(self._booster.predict(features, pred_contrib=True, num_threads=1))  # (n, F + 1)
            for column, name in enumerate([*groups, "base"]):
                found[name] += values[:, column]
        return found

    def save(self, path: Path) -> None:
        write_trees(self._booster, path)

    @classmethod
    def load(cls, path: Path, words: NameWords, uses: FloatRows) -> "Fusion":
        return cls(read_trees(path), words, uses)


def fit_fusion(
    examples: Sequence[FusionExample], words: NameWords, uses: FloatRows, config: RecallFusionConfig, seed: int
) -> Fusion:
    """Fit the trees on all correct candidates of the examples, and on `config.wrong` others.

    uses: (N, 2) as in `Fusion`, of the labelled videos that the channels will know when it is used
    Raises NothingToLearnError if all candidates, or none, are correct.
    """
    generator = np.random.default_rng([seed, Stream.WRONG_CANDIDATES])
    right = [np.isin(example.candidates.tag_rows, example.true) for example in examples]
    total = sum(map(np.count_nonzero, right))
    if not 0 < total < sum(map(len, right)):
        raise NothingToLearnError(f"{total} of {sum(map(len, right))} candidates are right: nothing to learn from")
    wrong = -(-config.wrong // len(examples))  # of each video
    samples = [_sample(is_right, wrong, generator) for is_right in right]
    features = np.concatenate(
        [
            features_of(example.candidates, example.text, words, example.uses, positions)
            for example, (positions, _) in zip(examples, samples, strict=True)
        ]
    )
    labels = np.concatenate([is_right[positions] for is_right, (positions, _) in zip(right, samples, strict=True)])
    weights = np.concatenate([weights for _, weights in samples])
    # With two threads LightGBM takes ten times as long when another program holds one of the cores.
    options = {"objective": "binary", "seed": seed, "num_threads": 1}
    if total < config.enough:  # large trees would learn these videos by heart
        config = config.model_copy(update={"leaves": config.few_leaves})
    names = _feature_names(examples[0].candidates.channels)
    return Fusion(fit_trees(features, labels, names, config, options, weights=weights), words, uses)


def _sample(right: NDArray[np.bool_], wrong: int, generator: np.random.Generator) -> tuple[Indices, FloatRows]:
    """Return the positions (n,) of a video's correct candidates and of at most `wrong` others, and their weights (n,).

    The weights of the others sum to the number of all wrong ones, so that the expected loss is that of all candidates.
    """
    others = np.flatnonzero(~right)
    drawn = generator.choice(others, min(wrong, len(others)), replace=False)
    positions = np.sort(np.concatenate([np.flatnonzero(right), drawn]))
    weights = np.where(right[positions], 1.0, len(others) / max(len(drawn), 1))
    return positions, weights.astype(np.float32)


def cross_fitted_candidates(
    examples: Sequence[FusionExample], groups: Indices, words: NameWords, config: RecallFusionConfig, seed: int
) -> list[Candidates]:
    """Return the candidates of each example, weighed by a fusion that was fitted on the other half of the groups.

    Later stages are trained on these, because a fusion is overconfident on the videos that it was fitted on.
    groups: (V,) equal for videos of one uploader
    """
    generator = np.random.default_rng([seed, Stream.FUSION_FOLDS])

    def fit(rows: Indices) -> Fusion:
        chosen = [examples[row] for row in rows.tolist()]
        return fit_fusion(chosen, words, chosen[0].uses, config, seed)

    return [
        fusion.with_uses(example.uses).weigh(example.candidates, example.text)
        for fusion, example in zip(cross_fit(groups, generator, fit), examples, strict=True)
    ]


def top_candidates(candidates: Candidates, budget: int) -> Candidates:
    """Return the most probable candidates, by rising catalog row as before; equal ones by row."""
    if candidates.probabilities is None or len(candidates.tag_rows) <= budget:
        return candidates
    kept = np.sort(top_k(candidates.probabilities, candidates.tag_rows, budget))
    rows = candidates.tag_rows[kept]
    return replace(
        candidates,
        tag_rows=rows,
        scores=candidates.scores[kept],
        probabilities=candidates.probabilities[kept],
        new={row: name for row, name in candidates.new.items() if row in rows},
    )


def features_of(
    candidates: Candidates, text: str, words: NameWords, uses: FloatRows, positions: Indices | None = None
) -> FloatRows:
    """Return the features (n, 3C + 2 + NAME_FEATURES) of the trees, NaN where a channel proposed nothing.

    positions: (n,) of the candidates to describe; None: all of them
    """
    scores = np.log(np.maximum(candidates.scores, 1e-6))
    has_scores = np.isfinite(scores).any(axis=0)
    best = np.full(scores.shape[1], np.nan, np.float32)
    best[has_scores] = np.nanmax(scores[:, has_scores], axis=0)
    chosen = np.arange(len(scores)) if positions is None else positions
    rows, known = candidates.tag_rows[chosen], candidates.within(len(uses))[chosen]
    used = np.zeros((len(rows), 2), np.float32)
    used[known] = uses[rows[known]]
    names = np.zeros((len(rows), len(NAME_FEATURES)), np.float32)
    names[known] = words.features(text, rows[known])
    if not known.all():
        added = NameWords([candidates.new[row] for row in rows[~known].tolist()])
        names[~known] = added.features(text, np.arange(np.count_nonzero(~known)))
    own, best = scores[chosen], np.broadcast_to(best, (len(rows), len(best)))
    return np.concatenate([own, own - best, best, np.log1p(used), names], axis=1).astype(np.float32)


def _feature_names(channels: Sequence[str]) -> list[str]:
    shares, best = ([f"{value} of {channel}" for channel in channels] for value in ("share", "best"))
    names = [*channels, *shares, *best, "uploaders", "videos", *NAME_FEATURES]
    return [name.replace(" ", "_") for name in names]


def _input_groups(channels: Sequence[str]) -> list[str]:
    """Return the input that each column of the features belongs to: a channel, "use" or "name in text"."""
    return [*channels, *channels, *channels, "use", "use", *["name in text"] * len(NAME_FEATURES)]


def uses_of(tag_rows: Indices, uploaders: Indices, tags: int) -> FloatRows:
    """Return uploaders and videos (N, 2) of each tag, from the tag and the uploader of every (video, tag) pair."""
    by_uploader = np.unique(np.stack([tag_rows, uploaders]), axis=1)[0]
    counts = [np.bincount(rows, minlength=tags) for rows in (by_uploader, tag_rows)]
    return np.stack(counts, axis=1).astype(np.float32)
