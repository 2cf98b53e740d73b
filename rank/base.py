"""The Ranker protocol: what every ranker implements."""

from collections.abc import Sequence
from typing import Protocol

from tagging.types import RankInput, TagScores


class Ranker(Protocol):
    def score(self, videos: Sequence[RankInput]) -> list[TagScores]:
        """Return a confidence in [0, 1] for each candidate of each video, in the order of the candidates.

        The scores state the contributions that they were made from.
        """
