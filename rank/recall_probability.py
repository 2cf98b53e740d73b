"""Recall-probability baseline: the ranker of a bundle that has recall's fusion model but no trained ranker.

The fusion model (recall/fusion.py) was fitted on uploaders that no channel was trained on, so its output is nearly a
calibrated probability.
"""

from collections.abc import Sequence

from rank.base import Needed
from rank.tree_reranker import recall_log_odds
from tagging.types import RankInput, TagScores


class RecallProbabilityRanker:
    def score(self, videos: Sequence[RankInput], needed: Sequence[Needed]) -> list[TagScores]:
        """Return recall's probabilities. Raises ValueError if there are none."""
        scores = []
        for video in videos:
            if video.candidates.probabilities is None:
                raise ValueError("candidates without a recall probability: their recall has no fusion model")
            contributions = {"recall": recall_log_odds(video.candidates)}
            scores.append(TagScores(video.candidates.probabilities, contributions))
        return scores
