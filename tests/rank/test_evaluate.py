"""Ranking metrics that compare systems whose scores have different meanings."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rank.evaluate import most_confident_pairs

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]


def drawn(generator: np.random.Generator, videos: int, levels: int) -> tuple[list[Rows], list[Floats]]:
    sizes = generator.integers(0, 9, videos)
    ranked = [generator.permutation(50)[:size] for size in sizes]
    confidences = [-np.sort(-generator.integers(0, levels, size) / levels).astype(np.float32) for size in sizes]
    return ranked, confidences


@pytest.mark.parametrize("levels", [1, 4, 10**6])  # with all, many and no ties
def test_the_most_confident_pairs_are_those_of_a_plain_sort(levels: int) -> None:
    ranked, confidences = drawn(np.random.default_rng(levels), 40, levels)
    pairs = [
        (-float(sure), video, column) for video, those in enumerate(confidences) for column, sure in enumerate(those)
    ]
    kept = {(video, column) for _, video, column in sorted(pairs)[:100]}
    got = most_confident_pairs(ranked, confidences, 2.5)
    for video, rows in enumerate(ranked):
        want = [row for column, row in enumerate(rows.tolist()) if (video, column) in kept]
        assert got[video].tolist() == want
    assert sum(map(len, got)) == 100


def test_rescaled_confidences_change_nothing_and_few_candidates_are_all_answered() -> None:
    ranked, confidences = drawn(np.random.default_rng(3), 30, 10**6)
    stretched = [1000 * first - 7 for first in confidences]
    for first, other in zip(
        most_confident_pairs(ranked, confidences, 1.5), most_confident_pairs(ranked, stretched, 1.5), strict=True
    ):
        np.testing.assert_array_equal(first, other)
    for first, other in zip(most_confident_pairs(ranked, confidences, 50.0), ranked, strict=True):
        np.testing.assert_array_equal(first, other)


def test_no_video_has_no_answer() -> None:
    assert most_confident_pairs([], [], 3.0) == []
