"""Losses over drawn negatives, by their formulas."""

import numpy as np
import pytest
import torch

from tagging.recommendation.loss import sampled_softmax, sigmoid
from tagging.recommendation.steps import Draws


def test_the_sampled_softmax_of_all_videos_is_the_full_one() -> None:
    logits = torch.randn(5, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    target = torch.tensor([2, 0, 8, 3, 3])
    negative = logits.clone()
    negative[torch.arange(5), target] = -torch.inf
    found = sampled_softmax(logits[torch.arange(5), target], negative, torch.zeros(9, dtype=torch.float64))
    torch.testing.assert_close(found, torch.nn.functional.cross_entropy(logits, target, reduction="none"))


def test_the_correction_makes_the_drawn_denominator_that_of_all_videos() -> None:
    generator = np.random.default_rng(5)
    logits = generator.standard_normal(30).astype(np.float32)
    draws = Draws(generator.integers(1, 50, 30), 1.0, 200_000)
    rows = draws.draw(generator)
    negative = torch.from_numpy(logits[rows])[None]
    found = sampled_softmax(torch.tensor([0.5]), negative, torch.from_numpy(draws.log_expected[rows]))
    expected = np.log(np.exp(0.5) + np.exp(logits).sum()) - 0.5
    assert found.item() == pytest.approx(expected, rel=0.01)


def test_the_sigmoid_weighs_negatives_by_the_ratio() -> None:
    positive, negative = torch.tensor([0.3]), torch.tensor([[0.2, -torch.inf, 1.0]])
    expected = np.log(1 + np.exp(-0.3)) + 4 / 3 * (np.log(1 + np.exp(0.2)) + np.log(1 + np.exp(1.0)))
    assert sigmoid(positive, negative, 4.0).item() == pytest.approx(expected, rel=1e-5)
