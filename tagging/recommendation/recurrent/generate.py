"""Recommendation step by step: the recommended video is read as the next one (Gao et al. 2017, section 3.4)."""

from dataclasses import replace

import numpy as np

from tagging.ragged import Ragged, starts_of
from tagging.recommendation.measures import Recommender, recommended
from tagging.recommendation.split import Cases
from tagging.types import Indices


def step_by_step(recommender: Recommender, cases: Cases, count: int) -> Indices:
    """Return (C, count) candidates in the order of recommendation; -1 where a user has watched all the others."""
    steps = []
    for _ in range(count):
        best = recommended(recommender, cases, top=1)[:, 0]
        steps.append(best)
        cases = replace(cases, histories=appended(cases.histories, best))
    return np.stack(steps, axis=1)


def appended(lists: Ragged, rows: Indices) -> Ragged:
    """Return n lists with a row (n,) behind each; -1 adds nothing."""
    added = np.flatnonzero(rows >= 0)
    values = np.insert(lists.values, lists.starts[added + 1], rows[added])
    return Ragged(starts_of(np.diff(lists.starts) + (rows >= 0)), values)
