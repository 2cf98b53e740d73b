"""Precision guarantee: the least confidence at which the answered tags reach a target precision."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from rank.precision_control import DELTA, HeldOutPredictions, controlled_threshold
from tagging.config.random_streams import Stream
from tagging.config.root import SelectConfig
from tagging.errors import InvalidSelectionError

UNREACHABLE = 2.0  # a least confidence that no tag has
LONGEST_ANSWER = 50  # tags; precision is guaranteed for answers up to this length
CACHED_THRESHOLDS = 1000

Threshold = Callable[[int, float], float]  # most tags, target precision -> least confidence


def controlled_confidence(predictions: HeldOutPredictions, max_tags: int, precision: float, seed: int) -> float:
    """Return the least confidence that reaches a precision; UNREACHABLE if none does."""
    generator = np.random.default_rng([seed, Stream.PRECISION_CONTROL])
    threshold = controlled_threshold(predictions.truncated(max_tags), precision, DELTA, generator)
    return UNREACHABLE if threshold is None else threshold


def is_reachable(min_confidence: float) -> bool:
    """Return False for the least confidence of a precision that no confidence reaches."""
    return min_confidence <= 1


class PrecisionThresholds:
    """Least confidences of a bundle by answer length and target precision; each is searched for once."""

    def __init__(self, predictions: HeldOutPredictions | None, seed: int) -> None:
        """predictions: of videos that nothing was fitted on; None if the bundle has none, so nothing is guaranteed"""
        self._threshold: Threshold | None = None
        if predictions is not None:

            @lru_cache(CACHED_THRESHOLDS)
            def threshold(max_tags: int, precision: float) -> float:
                return controlled_confidence(predictions, max_tags, precision, seed)

            self._threshold = threshold

    def apply(self, selection: SelectConfig, precision: float) -> SelectConfig:
        """Return the selection with the least confidence that reaches the precision.

        Raises InvalidSelectionError for a bundle without held-out videos, and for more than LONGEST_ANSWER tags.
        """
        if self._threshold is None:
            raise InvalidSelectionError(
                "this bundle has no held-out videos from which a precision could be guaranteed",
                "give a least confidence instead, or train a bundle on more videos",
            )
        if selection.max_tags > LONGEST_ANSWER:
            raise InvalidSelectionError(
                f"no precision is known of answers of {selection.max_tags} tags",
                f"ask for {LONGEST_ANSWER} tags at most",
            )
        return selection.model_copy(update={"min_confidence": self._threshold(selection.max_tags, precision)})
