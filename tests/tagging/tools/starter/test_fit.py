import numpy as np
import pytest

from tagging.tools.starter.fit import FEWEST, fit, logistic, lowest_threshold


def judged(
    seed: int, n: int
) -> tuple["np.ndarray[tuple[int], np.dtype[np.float64]]", "np.ndarray[tuple[int], np.dtype[np.bool_]]"]:
    rng = np.random.default_rng(seed)
    strengths = rng.uniform(0, 1, n)
    return strengths, rng.uniform(0, 1, n) < 1 / (1 + np.exp(-(6 * strengths - 3)))


def test_the_logistic_curve_finds_the_one_that_made_the_truth() -> None:
    slope, intercept = logistic(*judged(0, 20_000))
    assert slope == pytest.approx(6, abs=0.3)
    assert intercept == pytest.approx(-3, abs=0.2)


def test_the_threshold_is_the_lowest_that_keeps_the_precision() -> None:
    strengths, right = judged(1, 400)
    found = lowest_threshold(strengths, right, 0.8)
    assert found is not None
    shown = np.sort(strengths)
    possible = [t for t in shown if right[strengths >= t].mean() >= 0.8 and (strengths >= t).sum() >= FEWEST]
    assert found == pytest.approx(min(possible), abs=1e-4)
    assert right[strengths >= found].mean() >= 0.8


def test_equal_strengths_are_shown_together_or_not_at_all() -> None:
    strengths = np.array([0.9] * 30 + [0.5] * 30)
    right = np.array([True] * 30 + [True, False] * 15)
    assert lowest_threshold(strengths, right, 0.8) == pytest.approx(0.9)
    assert lowest_threshold(strengths, right, 0.75) == pytest.approx(0.5)


def test_a_source_that_is_never_right_enough_has_no_fit() -> None:
    strengths, _ = judged(2, 200)
    assert fit(strengths, np.zeros(200, np.bool_), 0.75) is None
    assert fit(strengths[: FEWEST - 1], np.ones(FEWEST - 1, np.bool_), 0.75) is None
    assert fit(np.zeros(0), np.zeros(0, np.bool_), 0.75) is None


def test_strengths_that_separate_perfectly_have_a_finite_curve() -> None:
    found = fit(np.linspace(0, 1, 100), np.linspace(0, 1, 100) >= 0.5, 0.9)
    assert found is not None
    assert np.isfinite([found.slope, found.intercept]).all()
    assert found.slope > 0
