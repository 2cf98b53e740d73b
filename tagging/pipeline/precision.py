"""Recall and rank joined: from videos to ranked tags with their evidence.

VideoRef → MediaSample → ModalityFeatures → VideoEmbeddings → Candidates → TagScores → RankedTags
"""

import numpy as np

from rank.precision_control import DELTA, HeldOutPredictions, controlled_threshold
from tagging.config.random_streams import Stream

ABOVE_ANY_CONFIDENCE = 2.0  # a least confidence that no tag has


LONGEST_ANSWER = 50  # tags that a promise can be kept for


def controlled_confidence(answers: HeldOutPredictions, max_tags: int, precision: float, seed: int) -> float:
    """The least confidence that keeps a precision; above 1 where none does."""
    found = controlled_threshold(
        answers.truncated(max_tags), precision, DELTA, np.random.default_rng([seed, Stream.PRECISION_CONTROL])
    )
    return ABOVE_ANY_CONFIDENCE if found is None else found
