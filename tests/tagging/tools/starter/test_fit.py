"""Logistic calibration against generating curves and plain searches."""

import numpy as np
import pytest

from tagging.tools.starter.fit import FEWEST, PENALTY, fit, logistic, lowest_threshold


def reviewed(
    seed: int, n: int
) -> tuple["np.ndarray[tuple[int], np.dtype[np.float64]]", "np.ndarray[tuple[int], np.dtype[np.bool_]]"]:
    rng = np.random.default_rng(seed)
    strengths = rng.uniform(0, 1, n)
    return strengths, rng.uniform(0, 1, n) < 1 / (1 + np.exp(-(6 * strengths - 3)))


def test_the_logistic_curve_recovers_the_generating_curve() -> None:
    slope, intercept = logistic(*reviewed(0, 20_000))
    assert slope == pytest.approx(6, abs=0.3)
    assert intercept == pytest.approx(-3, abs=0.2)


def test_the_threshold_is_the_lowest_that_keeps_the_precision() -> None:
    strengths, right = reviewed(1, 400)
    found = lowest_threshold(strengths, right, 0.8)
    assert found is not None
    shown = np.sort(strengths)
    possible = [t for t in shown if right[strengths >= t].mean() >= 0.8 and (strengths >= t).sum() >= FEWEST]
    assert found == pytest.approx(min(possible), abs=1e-4)
    assert right[strengths >= found].mean() >= 0.8


def test_equal_strengths_are_not_separated() -> None:
    strengths = np.array([0.9] * 30 + [0.5] * 30)
    right = np.array([True] * 30 + [True, False] * 15)
    assert lowest_threshold(strengths, right, 0.8) == pytest.approx(0.9)
    assert lowest_threshold(strengths, right, 0.75) == pytest.approx(0.5)


def test_a_source_below_the_target_precision_has_no_fit() -> None:
    strengths, _ = reviewed(2, 200)
    assert fit(strengths, np.zeros(200, np.bool_), 0.75) is None
    assert fit(strengths[: FEWEST - 1], np.ones(FEWEST - 1, np.bool_), 0.75) is None
    assert fit(np.zeros(0), np.zeros(0, np.bool_), 0.75) is None


def test_strengths_that_separate_perfectly_have_a_finite_curve() -> None:
    found = fit(np.linspace(0, 1, 100), np.linspace(0, 1, 100) >= 0.5, 0.9)
    assert found is not None
    assert np.isfinite([found.slope, found.intercept]).all()
    assert found.slope > 0


def test_the_logistic_curve_minimises_the_penalised_loss_of_soft_targets() -> None:
    strengths, right = reviewed(3, 60)
    slope, intercept = logistic(strengths, right)
    target = np.where(right, (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2))
    residual = 1 / (1 + np.exp(-(slope * strengths + intercept))) - target
    assert residual.sum() == pytest.approx(0, abs=1e-5)
    assert (residual * strengths).sum() + PENALTY * slope == pytest.approx(0, abs=1e-5)


def test_strengths_without_information_have_no_fit() -> None:
    assert fit(np.linspace(0, 1, 30), np.ones(30, np.bool_), 0.9) is None
