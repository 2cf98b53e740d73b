"""Time spans of a recognised tag: the runs of frames or sound examples whose own strength is near the strongest."""

import numpy as np
from numpy.typing import NDArray

from tagging.types import FloatRows, Modality, TimeSpan

EXAMPLE_S = 0.96  # length of a sound example, and the time between the starts of two
SHARE = 0.5  # of the strongest token's strength, from which a token speaks for the tag


def example_bounds(examples: int) -> NDArray[np.float64]:
    """Return start and end (S, 2) of sound examples, in seconds from the start of the sound."""
    starts = np.arange(examples) * EXAMPLE_S
    return np.stack([starts, starts + EXAMPLE_S], axis=1).round(2)


def token_spans(strengths: FloatRows, bounds: NDArray[np.float64], modality: Modality) -> tuple[TimeSpan, ...]:
    """Return the spans in which a tag has at least SHARE of its largest strength, by start.

    strengths: (T,) of the tag in each token; bounds: (T, 2) start and end in seconds of each, by start
    """
    speaks = strengths >= SHARE * strengths.max()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], speaks, [False]]).astype(np.int8)))
    return tuple(
        TimeSpan(float(bounds[first, 0]), float(bounds[end - 1, 1]), modality, float(strengths[first:end].max()))
        for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    )
