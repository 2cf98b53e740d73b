"""Order of a review against the definition, tag by tag."""

import math

import numpy as np
import pytest

from tagging.inspection.review.order import doubt, expected_uses, review_priorities

THRESHOLDS = (0.05, 0.3, 0.5, 0.9)


def plain_doubt(p: float, t: float) -> float:
    return p / t if p <= t else (1 - p) / (1 - t)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_priorities_are_the_sums_of_doubt_times_use(threshold: float) -> None:
    rng = np.random.default_rng(4)
    confidences = rng.random((30, 5)).astype(np.float32)
    rows = np.stack([rng.permutation(9)[:5] for _ in range(30)]).astype(np.int32)
    rows[rng.random((30, 5)) < 0.2] = -1
    uses = [
        sum(float(confidences[video, k]) for video in range(30) for k in range(5) if rows[video, k] == tag)
        for tag in range(9)
    ]
    want = [
        sum(
            plain_doubt(p, threshold) * math.log(1 + (uses[tag] if tag >= 0 else p))
            for p, tag in zip(confidences[video].tolist(), rows[video].tolist(), strict=True)
        )
        for video in range(30)
    ]
    np.testing.assert_allclose(review_priorities(confidences, rows, 9, threshold), want, rtol=1e-6)
    np.testing.assert_allclose(expected_uses(confidences, rows, 9), uses, rtol=1e-6)


def test_a_doubt_that_many_videos_share_comes_first() -> None:
    confidences = np.array([[0.5], [0.5], [0.5], [0.99], [0.01]], np.float32)
    rows = np.array([[0], [0], [1], [0], [0]], np.int32)
    order = np.argsort(-review_priorities(confidences, rows, 2, 0.5), kind="stable")
    assert order.tolist()[:3] == [0, 1, 2]


def test_padding_and_no_videos_have_no_priority() -> None:
    assert review_priorities(np.zeros((2, 3), np.float32), np.full((2, 3), -1, np.int32), 4, 0.5).tolist() == [0.0, 0.0]
    assert review_priorities(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32), 4, 0.5).shape == (0,)
    assert review_priorities(np.zeros((1, 2), np.float32), np.full((1, 2), -1, np.int32), 0, 0.5).tolist() == [0.0]


@pytest.mark.parametrize("threshold", [0.0, 1.0, 1.01])
def test_thresholds_at_the_ends_leave_finite_doubts(threshold: float) -> None:
    found = doubt(np.array([0.0, 0.5, 1.0], np.float32), threshold)
    assert np.isfinite(found).all()
    assert (found >= 0.0).all()
