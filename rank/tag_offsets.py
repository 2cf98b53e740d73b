"""Per-tag bias calibration: an offset of a tag's log-odds, which is a threshold of its own under one for all tags.

    σ(log-odds + offset) >= θ   ⇔   log-odds >= logit θ - offset

Bias-only vector scaling (Guo et al. 2017), shrunk: a tag's offset is the most probable one under a normal prior with
mean 0 and the standard deviation `spread`, so evidence from few uploaders moves it little. An uploader counts once for
each tag, however many videos it repeats the tag on: its log loss is the mean over them. The spread is selected on
uploaders that the offsets were not fitted on: unless their loss is lower by more than chance explains, there are no
offsets. Since offsets are part of the confidence, precision control (rank/precision_control.py) tests with them.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from tagging.config.random_streams import Stream
from tagging.config.rank import TagOffsetsConfig

logger = logging.getLogger(__name__)

FOLDS = 10
STEPS = 100
CLOSE = 1e-9

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutLogOdds:
    """P candidates from the catalog, of held-out videos whose tags are known."""

    odds: Floats  # (P,) log-odds without offsets
    right: NDArray[np.bool_]  # (P,)
    tags: Rows  # (P,) catalog rows
    uploaders: Rows  # (P,) equal for videos of one uploader

    def only(self, chosen: NDArray[np.bool_]) -> "HeldOutLogOdds":
        """Return a subset of the candidates; chosen: (P,)"""
        return HeldOutLogOdds(self.odds[chosen], self.right[chosen], self.tags[chosen], self.uploaders[chosen])

    def weights(self) -> Floats:
        """Return the (P,) weight of each candidate; they sum to 1 for each pair of tag and uploader."""
        pairs = np.stack([self.tags, self.uploaders])
        _, pair, many = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
        return np.asarray(1 / many[pair])


def fit_offsets(held_out: HeldOutLogOdds, config: TagOffsetsConfig, seed: int) -> dict[int, float]:
    """Fit offsets by catalog row; empty if they do not lower the loss of uploaders they were not fitted on."""
    enough = held_out.only(np.isin(held_out.tags, _tags_with_uploaders(held_out, config.least_uploaders)))
    spread = _best_spread(enough, config, seed) if len(enough.tags) else None
    if spread is None:
        logger.info("no tag has a threshold of its own")
        return {}
    rows, positions = np.unique(enough.tags, return_inverse=True)
    logger.info("%d tags have a threshold of their own, of spread %g", len(rows), spread)
    found = map_offsets(enough.odds, enough.right, positions, enough.weights(), len(rows), spread)
    return dict(zip(rows.tolist(), found.tolist(), strict=True))


def candidate_offsets(rows: Rows, new: Mapping[int, str], offsets: Mapping[int, float]) -> Floats:
    """Return the (K,) offsets of a video's candidates; 0 for a tag without one, and for a new tag whatever its row."""
    return np.array([0.0 if row in new else offsets.get(row, 0.0) for row in rows.tolist()], np.float64)


def held_out_gain(held_out: HeldOutLogOdds, spread: float, seed: int) -> tuple[float, float]:
    """Return the log loss (nats, over all uploaders) that cross-fitted offsets save, and its standard error.

    The offsets of each uploader are fitted on the uploaders of the other folds; the error is over uploaders.
    """
    rows, positions = np.unique(held_out.tags, return_inverse=True)
    weights = held_out.weights()
    uploader = np.unique(held_out.uploaders, return_inverse=True)[1]
    count = int(uploader.max()) + 1
    fold = (np.random.default_rng([seed, Stream.TAG_OFFSET_FOLDS]).permutation(count) % FOLDS)[uploader]
    saved = np.zeros(count)
    for test_fold in range(FOLDS):
        train, test = fold != test_fold, fold == test_fold
        offsets = map_offsets(
            held_out.odds[train], held_out.right[train], positions[train], weights[train], len(rows), spread
        )
        odds, right = held_out.odds[test], held_out.right[test]
        gain = _losses(odds, right) - _losses(odds + offsets[positions[test]], right)
        saved += np.bincount(uploader[test], weights[test] * gain, minlength=count)
    return float(saved.sum()), float(np.sqrt(count * saved.var()))


def map_offsets(
    odds: Floats, right: NDArray[np.bool_], tags: Rows, weights: Floats, count: int, spread: float
) -> Floats:
    """Return the (count,) maximum a posteriori offset of each tag, by Newton's method.

    odds, right, tags, weights: (P,) tags in [0, count); 0 for a tag without candidates
    """
    offsets = np.zeros(count)
    for _ in range(STEPS):
        probability = expit(odds + offsets[tags])
        gradient = np.bincount(tags, weights * (right - probability), minlength=count) - offsets / spread**2
        curvature = np.bincount(tags, weights * probability * (1 - probability), minlength=count) + 1 / spread**2
        # A logistic curve's second derivative grows less than e-fold in a step of 1, so no such step overshoots.
        step = np.clip(gradient / curvature, -1, 1)
        offsets += step
        if np.abs(step).max(initial=0.0) < CLOSE:
            break
    return offsets


def _best_spread(held_out: HeldOutLogOdds, config: TagOffsetsConfig, seed: int) -> float | None:
    """Return the spread that saves most, among those that save more than chance explains; None if none does."""
    best, best_saved = None, 0.0
    for spread in config.spreads:
        saved, error = held_out_gain(held_out, spread, seed)
        logger.info("thresholds of spread %g save %.1f ± %.1f nats on other uploaders", spread, saved, error)
        if saved > config.standard_errors * error and (best is None or saved > best_saved):
            best, best_saved = spread, saved
    return best


def _tags_with_uploaders(held_out: HeldOutLogOdds, least: int) -> Rows:
    """Return the rows of the tags that are candidates of at least so many uploaders."""
    pairs = np.unique(np.stack([held_out.tags, held_out.uploaders]), axis=1)
    tags, uploaders = np.unique(pairs[0], return_counts=True)
    return tags[uploaders >= least]


def _losses(odds: Floats, right: NDArray[np.bool_]) -> Floats:
    """Return the (P,) log losses in nats."""
    return np.logaddexp(0, np.where(right, -odds, odds))
