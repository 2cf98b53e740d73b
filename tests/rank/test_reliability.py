"""Calibration metrics of confidences."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from rank.reliability import Z95, reliability, wilson

Floats = NDArray[np.float64]


def example(count: int, seed: int = 0) -> tuple[Floats, NDArray[np.bool_]]:
    generator = np.random.default_rng(seed)
    confidences = generator.random(count) ** 2
    return confidences, generator.random(count) < confidences


def test_the_calibration_error_is_that_of_a_plain_loop_over_equal_bins() -> None:
    confidences, right = example(300)
    right[confidences > 0.5] = True
    pairs = sorted(zip(confidences.tolist(), right.tolist(), strict=True))
    expected = 0.0
    for start in range(0, 300, 30):
        gap = 0.0
        for confidence, is_right in pairs[start : start + 30]:
            gap += (is_right - confidence) / 30
        expected += 30 / 300 * abs(gap)
    got = reliability(confidences, right, bins=10)
    assert got.count.tolist() == [30] * 10
    assert got.calibration_error == pytest.approx(expected)
    assert got.brier == pytest.approx(sum((r - c) ** 2 for c, r in pairs) / 300)


def test_calibrated_confidences_have_no_error_and_a_shift_has_its_size() -> None:
    confidences, right = example(200_000)
    assert reliability(confidences, right).calibration_error < 0.005
    shifted = np.minimum(confidences, 0.8) + 0.2
    shifted_right = np.random.default_rng(1).random(len(shifted)) < shifted - 0.2
    assert reliability(shifted, shifted_right).calibration_error == pytest.approx(0.2, abs=0.005)


def test_the_true_share_lies_within_nearly_all_intervals() -> None:
    within = total = 0
    for seed in range(40):
        confidences, right = example(1500, seed)
        got = reliability(confidences, right)
        assert (got.lower <= got.right).all()
        assert (got.right <= got.upper).all()
        within += int(((got.lower <= got.confidence) & (got.confidence <= got.upper)).sum())
        total += len(got.count)
    assert 0.92 < within / total < 0.98


def test_an_interval_solves_wilsons_equation() -> None:
    """Its ends are the shares p that the observed one is z standard errors of p away from."""
    assert pytest.approx(norm.ppf(0.975), abs=1e-6) == Z95
    hits, trials = np.array([0.0, 3.0, 9.5, 20.0]), np.array([8.0, 10.0, 17.5, 20.0])
    for ends in wilson(hits, trials, Z95):
        np.testing.assert_allclose((hits / trials - ends) ** 2, Z95**2 * ends * (1 - ends) / trials, atol=1e-12)


def test_equal_confidences_share_a_bin() -> None:
    confidences = np.array([0.2] * 90 + [0.8] * 10)
    right = np.arange(100) % 2 == 0
    got = reliability(confidences, right)
    assert got.count.tolist() == [90, 10]
    assert got.confidence.tolist() == pytest.approx([0.2, 0.8])
    assert got.right.tolist() == [0.5, 0.5]
    assert got.calibration_error == pytest.approx(0.3)
    shuffled = np.random.default_rng(0).permutation(100)
    assert reliability(confidences[shuffled], right[shuffled]).calibration_error == pytest.approx(0.3)


def test_fewer_candidates_than_bins_have_one_each() -> None:
    got = reliability(np.array([0.9, 0.1, 0.5], np.float32), np.array([True, False, True]))
    assert got.count.tolist() == [1, 1, 1]
    assert got.confidence.tolist() == pytest.approx([0.1, 0.5, 0.9])
    assert got.right.tolist() == [0, 1, 1]


@pytest.mark.parametrize("everything", [True, False])
def test_all_right_and_all_wrong_are_no_special_case(everything: bool) -> None:
    confidences = np.linspace(0, 1, 50)
    got = reliability(confidences, np.full(50, everything))
    assert got.calibration_error == pytest.approx(0.5)
    assert (got.right == float(everything)).all()
    assert (got.upper - got.lower > 0.1).all()
    assert got.lower.min() >= -1e-9
    assert got.upper.max() <= 1 + 1e-9


def test_the_spread_counts_every_confidence_once() -> None:
    got = reliability(np.array([0.0, 0.01, 0.5, 0.99, 1.0]), np.ones(5, np.bool_))
    assert got.histogram.tolist() == [2] + [0] * 9 + [1] + [0] * 8 + [2]


@pytest.mark.parametrize(
    ("confidences", "right", "message"),
    [
        (np.zeros(0), np.zeros(0, np.bool_), r"confidences \(0,\)"),
        (np.zeros(3), np.zeros(2, np.bool_), r"confidences \(3,\), right \(2,\)"),
        (np.zeros((2, 2)), np.zeros((2, 2), np.bool_), r"confidences \(2, 2\)"),
        (np.array([0.5, np.nan]), np.zeros(2, np.bool_), "NaN"),
        (np.array([0.5, 1.5]), np.zeros(2, np.bool_), r"outside \[0, 1\]"),
        (np.array([0.5, 0.5]), np.zeros(2), "right float64"),
    ],
)
def test_values_that_are_no_confidences_are_rejected(
    confidences: Floats, right: NDArray[np.bool_], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        reliability(confidences, right)


def test_no_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="0 bins"):
        reliability(np.array([0.5]), np.array([True]), bins=0)
