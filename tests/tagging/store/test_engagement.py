from datetime import timedelta
from itertools import permutations

import pytest

from tagging.store.engagement import Engagement
from tests.support.clocks import NOW

DAY_S = 86_400.0
WEEK = timedelta(days=7)


def test_a_count_is_halved_after_each_half_life() -> None:
    engagement = Engagement(40, 8, NOW).decayed(NOW + 3 * WEEK, 7 * DAY_S)
    assert (engagement.exposures, engagement.clicks) == pytest.approx((5, 1))
    assert engagement.at == NOW + 3 * WEEK


def test_decay_leaves_the_click_rate() -> None:
    assert Engagement(40, 8, NOW).decayed(NOW + WEEK / 3, DAY_S).click_rate == pytest.approx(0.2)


def test_zeros_add_nothing_whatever_their_time() -> None:
    counts = Engagement(3, 1, NOW)
    for years in (-30, 30):
        zeros = Engagement(0, 0, NOW + timedelta(days=365 * years))
        assert counts.plus(zeros, 864.0) == zeros.plus(counts, 864.0) == counts


def test_the_sum_does_not_depend_on_the_order_of_the_events() -> None:
    events = [Engagement(1, n % 2, NOW + timedelta(hours=7 * n)) for n in range(5)]
    sums = []
    for order in permutations(events):
        total = Engagement(0, 0, NOW)
        for event in order:
            total = total.plus(event, DAY_S)
        sums.append((total.exposures, total.clicks))
    last = events[-1].at
    ages = [(last - event.at).total_seconds() / DAY_S for event in events]
    expected = (sum(0.5**age for age in ages), sum(0.5**age for age in ages[1::2]))
    assert sums == [pytest.approx(expected)] * len(sums)


def test_a_click_implies_an_exposure() -> None:
    assert Engagement(0, 0, NOW).click_rate == 0
    assert Engagement(0, 2, NOW).click_rate == 1
    assert Engagement(4, 1, NOW).click_rate == 0.25


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="-1 exposures"):
        Engagement(-1, 0, NOW)
