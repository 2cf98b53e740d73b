"""Measures of recommendation, by a plain loop."""

import math

import numpy as np
import pytest

from tagging.ragged import Ragged
from tagging.recommendation import measures as module
from tagging.recommendation.measures import measures, recommended
from tagging.recommendation.split import Cases
from tagging.types import FloatRows, Indices

VIDEOS, CASES = 30, 25


class Fixed:
    """Scores that are a function of the last video of a history."""

    def __init__(self) -> None:
        # Few distinct values, so that some are equal.
        self.table = np.random.default_rng(5).integers(0, 12, (VIDEOS, VIDEOS)).astype(np.float32)

    def scores(self, histories: Ragged, candidates: Indices) -> FloatRows:
        return self.table[histories.values[histories.starts[1:] - 1]][:, candidates]


def cases(candidates: list[int]) -> Cases:
    generator = np.random.default_rng(6)
    histories = [generator.permutation(VIDEOS)[: generator.integers(1, 8)].tolist() for _ in range(CASES)]
    targets = generator.choice(candidates, CASES)
    return Cases(np.arange(CASES), Ragged.of(histories), targets, np.array(candidates))


@pytest.mark.parametrize("candidates", [list(range(VIDEOS)), list(range(0, VIDEOS, 3)), [4, 9]])
def test_the_best_candidates_leave_out_the_history(candidates: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_ONCE", 7)
    questions, system = cases(candidates), Fixed()
    found = recommended(system, questions)
    for case in range(CASES):
        history = questions.histories.at(case).tolist()
        ranked = sorted((-system.table[history[-1], video], video) for video in candidates if video not in history)
        expected = [video for _, video in ranked][:10]
        assert found[case].tolist()[: len(expected)] == expected
        assert set(found[case].tolist()[len(expected) :]) <= {-1}


def test_measures_agree_with_a_loop() -> None:
    generator = np.random.default_rng(7)
    found = np.stack([generator.permutation(20)[:10] for _ in range(CASES)])
    found[3, 4:] = -1
    targets = generator.integers(0, 20, CASES)
    hits, gain, first, shown, converted = 0, 0.0, 0, set[int](), set[int]()
    for ranked, target in zip(found.tolist(), targets.tolist(), strict=True):
        if target in ranked:
            hits += 1
            gain += 1 / math.log2(ranked.index(target) + 2)
        if target in ranked[:6]:
            first += 1
            converted.add(target)
        shown |= {video for video in ranked[:6] if video >= 0}
    assert measures(found, targets) == pytest.approx(
        {
            "HR@10": hits / CASES,
            "nDCG@10": gain / CASES,
            "P@6": first / CASES / 6,
            "R@6": first / CASES,
            "coverage": len(shown),
            "converted coverage": len(converted),
        }
    )
