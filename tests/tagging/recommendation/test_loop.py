"""The schedule of training."""

import pytest

from tagging.recommendation.loop import learning_share


def test_the_rate_rises_and_falls() -> None:
    shares = [learning_share(step / 100) for step in range(101)]
    assert shares[0] == 0
    assert max(shares) == shares[5] == 1
    assert shares[100] == pytest.approx(0)
