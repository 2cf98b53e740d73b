"""Ratios with their spread, and the exponents of curves."""

import math

import pytest

from tagging.bench.figure import Curve, Ratio


def test_a_ratio_divides_repeat_by_repeat() -> None:
    # Both sides slow down threefold in the second repeat, as on a busy machine: the ratio stays.
    assert Ratio.of([4.0, 12.0, 4.0], [2.0, 6.0, 2.0]) == Ratio(2.0, 2.0, 2.0)


def test_the_spread_is_from_the_10th_to_the_90th_percentile() -> None:
    ratio = Ratio.of([float(number) for number in range(11)], [2.0] * 11)
    assert (ratio.low, ratio.median, ratio.high) == pytest.approx((0.5, 2.5, 4.5))


@pytest.mark.parametrize(("numerators", "denominators"), [([], []), ([1.0], [1.0, 2.0])])
def test_repeats_that_do_not_match_are_rejected(numerators: list[float], denominators: list[float]) -> None:
    with pytest.raises(ValueError, match="denominators"):
        Ratio.of(numerators, denominators)


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.0])
def test_the_exponent_of_an_exact_power_law_is_found(exponent: float) -> None:
    points = tuple((size, 3.0 * size**exponent) for size in (10.0, 70.0, 600.0, 9_000.0))
    assert Curve("c", "rows", "ms", points).exponent == pytest.approx(exponent, abs=1e-9)


def test_a_curve_above_linear_is_marked_and_a_noisy_linear_one_is_not() -> None:
    assert Curve("c", "rows", "ms", ((1.0, 1.0), (10.0, 20.0))).is_above_linear
    assert not Curve("c", "rows", "ms", ((1.0, 1.0), (10.0, 11.0))).is_above_linear


def test_a_single_size_has_no_exponent() -> None:
    curve = Curve("c", "rows", "ms", ((10.0, 1.0), (10.0, 2.0)))
    assert math.isnan(curve.exponent)
    assert not curve.is_above_linear
