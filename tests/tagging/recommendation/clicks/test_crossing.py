"""Attention crossing against equations 7 to 9, pair by pair."""

import torch

from tagging.recommendation.clicks.crossing import AttentionCrossing


def test_the_pairs_of_each_field_are_weighted_by_their_importance() -> None:
    torch.manual_seed(0)
    crossing, x = AttentionCrossing(fields=4, width=5), torch.randn(2, 4, 5)
    present = torch.tensor([[True] * 4, [True, True, False, True]])
    x[1, 2] = 0
    w, b, h = (crossing.importance.get_parameter(name) for name in ("0.weight", "0.bias", "2.weight"))
    for row in range(2):
        pairs = [(i, j) for i in range(4) for j in range(i + 1, 4) if present[row, i] and present[row, j]]
        products = [x[row, i] * x[row, j] for i, j in pairs]  # eq. 7
        importances = torch.stack([h[0] @ torch.relu(w @ p + b) for p in products])  # eq. 9
        weights = importances.exp() / importances.exp().sum()  # eq. 8
        expected = torch.zeros(4, 5)
        for (i, j), product, weight in zip(pairs, products, weights, strict=True):
            expected[i] += weight * product
            expected[j] += weight * product
        torch.testing.assert_close(crossing(x, present)[row], expected, atol=1e-6, rtol=1e-4)


def test_a_single_field_of_a_row_crosses_with_nothing() -> None:
    crossing = AttentionCrossing(fields=3, width=2)
    x = torch.tensor([[[1.0, 2.0], [0.0, 0.0], [0.0, 0.0]]])
    assert not crossing(x, torch.tensor([[True, False, False]])).any()
