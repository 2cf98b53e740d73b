"""AUC and GAUC against counting all pairs, log loss against its sum."""

import math

import numpy as np
import pytest

from tagging.recommendation.clicks.measures import auc, grouped_auc, log_loss


def pairs_won(scores: list[float], clicked: list[bool]) -> float:
    wins = [
        1.0 if scores[a] > scores[b] else 0.5 if scores[a] == scores[b] else 0.0
        for a in range(len(scores))
        for b in range(len(scores))
        if clicked[a] and not clicked[b]
    ]
    return sum(wins) / len(wins) if wins else math.nan


@pytest.fixture
def impressions() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    generator = np.random.default_rng(3)
    scores = generator.integers(0, 8, 200) / 8  # many ties
    return scores, generator.random(200) < 0.4, generator.integers(0, 25, 200)


def test_auc_is_the_share_of_pairs_in_the_right_order(impressions: tuple[np.ndarray, ...]) -> None:
    scores, clicked, _ = impressions
    assert auc(scores, clicked) == pytest.approx(pairs_won(scores.tolist(), clicked.tolist()))
    assert math.isnan(auc(scores, np.zeros(200, np.bool_)))


def test_grouped_auc_weighs_each_user_by_impressions(impressions: tuple[np.ndarray, ...]) -> None:
    scores, clicked, users = impressions
    clicked[users == 4] = True  # a user without AUC
    total = weight = 0.0
    for user in np.unique(users):
        own = pairs_won(scores[users == user].tolist(), clicked[users == user].tolist())
        if not math.isnan(own):
            total += own * (users == user).sum()
            weight += (users == user).sum()
    assert grouped_auc(scores, clicked, users) == pytest.approx(total / weight)
    assert math.isnan(grouped_auc(scores, clicked, np.arange(200)))


def test_log_loss_is_the_mean_negative_log_likelihood() -> None:
    p, clicked = np.array([0.9, 0.2, 0.5], np.float32), np.array([True, False, False])
    assert log_loss(p, clicked) == pytest.approx(-(math.log(0.9) + math.log(0.8) + math.log(0.5)) / 3, abs=1e-6)
    certain = log_loss(np.array([0, 1], np.float32), np.array([True, False]))
    assert math.isfinite(certain)
    assert certain > 10
