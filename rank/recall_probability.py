"""The ranker of a bundle whose recall learnt how likely its candidates are, until one looks closer.

That likelihood was fitted on uploaders that no channel learnt from (recall/fusion.py), so it is near a probability.
"""

from collections.abc import Sequence

from tagging.types import RankInput, TagScores


class RecallProbabilityRanker:
    def score(self, videos: Sequence[RankInput]) -> list[TagScores]:
        scored = []
        for video in videos:
            if video.candidates.probabilities is None:
                raise ValueError("candidates without a likelihood: their recall learnt none")
            scored.append(TagScores(video.candidates.probabilities))
        return scored
