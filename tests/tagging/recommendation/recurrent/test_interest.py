"""Decayed interest, eq. 2 to 4, by plain loops."""

import math

import pytest
import torch

from tagging.recommendation.recurrent.interest import decayed_means, interest_loss


@pytest.mark.parametrize("decay", [0.0, 0.4])
def test_means_decay_with_the_distance_and_know_no_later_row(decay: float) -> None:
    rows = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(1))
    means = decayed_means(rows, decay)
    for sequence in range(2):
        for t in range(5):
            weights = [math.exp(-decay * (t - k)) for k in range(t + 1)]
            expected = sum(weight * rows[sequence, k] for k, weight in enumerate(weights)) / sum(weights)
            torch.testing.assert_close(means[sequence, t], expected)


def test_the_interest_loss_is_the_mean_squared_distance_of_the_two_means() -> None:
    generator = torch.Generator().manual_seed(2)
    topics, watched = torch.randn(5, 3, generator=generator), torch.randn(5, 3, generator=generator)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    distances = []
    for rows in ([0, 1], [2, 3, 4]):
        mean, other = (decayed_means(values[rows][None], 0.4)[0] for values in (topics, watched))
        distances += (mean - other).square().sum(dim=1).tolist()
    found = interest_loss(topics, watched, mask, 0.4)
    assert found.item() == pytest.approx(sum(distances) / 5, rel=1e-5)
