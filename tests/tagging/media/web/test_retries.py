import random
from datetime import UTC, datetime

import pytest

from tagging.media.web.retries import Retries, parse_retry_after

NOW = datetime(2026, 11, 6, 8, 49, 0, tzinfo=UTC)


def test_waits_double_up_to_a_cap_and_vary() -> None:
    retries = Retries(random.Random(1), tries=7, first_s=1.0, longest_s=10.0)
    waits = [retries.wait_s(tried, 0.0) or 0.0 for tried in range(1, 7)]
    for wait_s, most_s in zip(waits, (1, 2, 4, 8, 10, 10), strict=True):
        assert most_s / 2 <= wait_s <= most_s
    assert retries.wait_s(7, 0.0) is None
    assert waits == [Retries(random.Random(1), 7, 1.0, 10.0).wait_s(1, 0.0), *waits[1:]]
    assert waits[0] != Retries(random.Random(2), 7, 1.0, 10.0).wait_s(1, 0.0)


def test_the_server_may_ask_for_a_longer_wait() -> None:
    assert Retries(random.Random(1)).wait_s(1, 25.0) == 25.0


@pytest.mark.parametrize(
    ("value", "want_s"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Fri, 06 Nov 2026 08:49:37 GMT", 37.0),
        ("Friday, 06-Nov-26 08:49:37 GMT", 37.0),
        ("Fri Nov  6 08:49:37 2026", 37.0),
        ("Fri, 06 Nov 2020 08:49:37 GMT", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("", 0.0),
        ("٣", 0.0),
    ],
)
def test_retry_after_is_a_number_or_a_date(value: str, want_s: float) -> None:
    assert parse_retry_after(value, NOW) == want_s
