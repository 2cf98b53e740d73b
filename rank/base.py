"""The Ranker protocol: what every ranker implements, and which of its scores a caller needs."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from tagging.types import Candidates, Indices, RankInput, TagScores


class Needed(Protocol):
    def __call__(self, candidates: Candidates, scores: TagScores, /) -> Indices:
        """Return the positions of the candidates of a video whose exact scores the caller needs.

        It is asked with scores of which some confidences are too high. Lowering those of the other candidates must not
        change the positions, as is true of the best candidates, and of all above a threshold.
        """


def every(candidates: Candidates, _: TagScores, /) -> Indices:
    """Return all positions: every score is needed."""
    return np.arange(len(candidates.tag_rows))


class Ranker(Protocol):
    def score(self, videos: Sequence[RankInput], needed: Sequence[Needed]) -> list[TagScores]:
        """Return a confidence in [0, 1] for each candidate of each video, in the order of the candidates.

        The scores state the contributions that they were made from.
        needed: of each video; the other candidates may have higher confidences than their exact ones
        """
