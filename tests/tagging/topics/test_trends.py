from math import comb

import numpy as np
import pytest

from tagging.topics.trends import PeriodCounts, Trend, find_trends


def trend_of(before: int, before_total: int, after: int, after_total: int) -> Trend:
    """Return the trend of a single topic."""
    return find_trends([1], PeriodCounts({1: before}, before_total), PeriodCounts({1: after}, after_total))[1]


def fisher(before: int, before_total: int, after: int, after_total: int) -> float:
    """Return the two-sided p-value from the hypergeometric probabilities of all tables with the same margins."""
    found, total = before + after, before_total + after_total

    def probability(count: int) -> float:
        return comb(before_total, count) * comb(after_total, found - count) / comb(total, found)

    least, most = max(0, found - after_total), min(found, before_total)
    limit = probability(before) * (1 + 1e-9)
    return sum(p for count in range(least, most + 1) if (p := probability(count)) <= limit)


@pytest.mark.parametrize("counts", [(3, 40, 12, 50), (12, 40, 3, 50), (0, 30, 7, 30), (5, 50, 5, 50)])
def test_the_p_value_is_fishers(counts: tuple[int, int, int, int]) -> None:
    assert trend_of(*counts).q == pytest.approx(fisher(*counts))


def test_a_topic_of_three_videos_is_not_rising() -> None:
    first = trend_of(0, 100, 3, 100)
    assert (first.before, first.after, first.change, first.direction) == (0, 3, None, "steady")
    assert trend_of(1, 100, 3, 100).direction == "steady"


def test_a_share_that_grows_or_shrinks_beyond_chance_is_found() -> None:
    rising, falling = trend_of(10, 1000, 60, 2000), trend_of(60, 1000, 60, 2000)
    assert (rising.direction, falling.direction) == ("rising", "falling")
    assert (rising.change, falling.change) == pytest.approx((3, 0.5))
    assert trend_of(0, 1000, 40, 1000).direction == "rising"
    assert trend_of(40, 1000, 0, 1000).direction == "falling"


def test_a_small_change_is_no_trend_however_certain() -> None:
    certain = trend_of(300_000, 1_000_000, 330_000, 1_000_000)
    assert certain.q < 1e-9
    assert certain.direction == "steady"


def test_equal_shares_of_unequal_periods_are_steady() -> None:
    assert trend_of(10, 100, 1000, 10_000).direction == "steady"


def test_many_topics_without_change_are_rarely_rising_or_falling() -> None:
    generator, found = np.random.default_rng(1), 0
    for _ in range(6):
        shares = np.full(150, 20)
        before, after = ({n: int(count) for n, count in enumerate(generator.poisson(shares))} for _ in range(2))
        trends = find_trends(range(150), PeriodCounts(before, 3500), PeriodCounts(after, 3500))
        found += any(trend.direction != "steady" for trend in trends.values())
    assert found <= 1  # expected 6 × DISCOVERY_RATE; with raw p-values all 6


def test_a_rising_topic_is_found_among_many_steady_ones() -> None:
    before = dict.fromkeys(range(150), 50)
    trends = find_trends(range(150), PeriodCounts(before, 15_000), PeriodCounts({**before, 7: 150}, 15_000))
    assert [topic for topic, trend in trends.items() if trend.direction != "steady"] == [7]


def test_an_empty_period_has_no_trends() -> None:
    full, empty = PeriodCounts({1: 5}, 10), PeriodCounts({}, 0)
    assert find_trends([1], full, empty) == find_trends([1], empty, full) == find_trends([], full, full) == {}


def test_counts_beyond_the_total_are_refused() -> None:
    with pytest.raises(ValueError, match="beyond 0 to 3"):
        PeriodCounts({1: 4}, 3)
