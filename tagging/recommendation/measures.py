"""Measures of recommendation: HR@10, nDCG@10, P@6, R@6, coverage and converted coverage.

The definitions of coverage are those of "Exploring Heterogeneous Metadata for Video Recommendation with Two-tower
Model" (Wang et al. 2022, section 4.1), whose K = 6 is kept. A case has one right video, so P@6 = R@6 / 6.
"""

from typing import Protocol

import numpy as np

from recall.topk import top_k
from tagging.ragged import Ragged
from tagging.recommendation.split import Cases
from tagging.types import FloatRows, Indices

TOP = 10
COVERED = 6
AT_ONCE = 512  # cases; their scores of 20,000 videos take 40 MB


class Recommender(Protocol):
    """A system that scores videos for users."""

    def scores(self, histories: Ragged, candidates: Indices) -> FloatRows:
        """Return (n, m) scores of m candidate video rows for n users by their histories; higher is better."""


def recommended(recommender: Recommender, cases: Cases, top: int = TOP) -> Indices:
    """Return (C, top) candidates, best first, without the videos of the history; -1 where there are fewer.

    Of equal scores the lower row comes first.
    """
    column_of = np.full(int(max(cases.candidates.max(), cases.histories.values.max())) + 1, -1)
    column_of[cases.candidates] = np.arange(len(cases.candidates))
    found = np.full((len(cases), top), -1, np.int64)
    for start in range(0, len(cases), AT_ONCE):
        rows = np.arange(start, min(start + AT_ONCE, len(cases)))
        histories = cases.histories.only(rows)
        scores = recommender.scores(histories, cases.candidates).astype(np.float32, copy=True)
        owner = np.repeat(np.arange(len(rows)), np.diff(histories.starts))
        seen = column_of[histories.values]
        scores[owner[seen >= 0], seen[seen >= 0]] = -np.inf
        for row, of_case in zip(rows.tolist(), scores, strict=True):
            best = top_k(of_case, cases.candidates, top)
            best = best[np.isfinite(of_case[best])]
            found[row, : len(best)] = cases.candidates[best]
    return found


def measures(found: Indices, targets: Indices) -> dict[str, float]:
    """Return the measures of (C, TOP) recommendations of C cases with one right video each.

    coverage is the number of different videos among all cases' first 6, converted coverage that of those among them
    that were watched where they were recommended.
    """
    hits = found == targets[:, None]  # (C, TOP), one True a row at most
    first = found[:, :COVERED]
    converted = first[hits[:, :COVERED]]
    return {
        "HR@10": float(hits.any(axis=1).mean()),
        "nDCG@10": float((hits / np.log2(np.arange(2, TOP + 2))).sum(axis=1).mean()),
        "P@6": float(hits[:, :COVERED].mean()),
        "R@6": float(hits[:, :COVERED].any(axis=1).mean()),
        "coverage": float(len(np.unique(first[first >= 0]))),
        "converted coverage": float(len(np.unique(converted))),
    }
