"""Strength of a tag's name in a channel: its calibrated probability, and the selection of the most probable tags."""

import numpy as np

from recall.topk import top_k
from tagging.config.recall import StrengthConfig
from tagging.types import FloatRows, Indices


def probability(strength: FloatRows, config: StrengthConfig) -> FloatRows:
    """Return the probability (n,) in [0, 1] of each strength (n,); 0 below the threshold."""
    logistic = 1.0 / (1.0 + np.exp(-(config.slope * strength.astype(np.float64) + config.intercept)))
    return np.where(strength >= config.least, logistic, 0.0).astype(np.float32)


def best_positions(probabilities: FloatRows, strength: FloatRows, tag_rows: Indices, limit: int) -> Indices:
    """Return positions of probabilities above 0, highest first; equal ones by strength, then by row."""
    best = top_k(probabilities, tag_rows, limit, strength)
    return best[probabilities[best] > 0]
