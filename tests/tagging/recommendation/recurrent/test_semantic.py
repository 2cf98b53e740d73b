"""Semantic embedding and eq. 1, by plain loops."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tagging.ragged import Ragged
from tagging.recommendation.items import Items
from tagging.recommendation.recurrent.semantic import SemanticEmbedding, semantic_loss


def unit(*shape: int) -> torch.Tensor:
    return functional.normalize(torch.randn(*shape, dtype=torch.float64), dim=1)


def test_the_loss_of_two_videos_is_eq_1() -> None:
    torch.manual_seed(1)
    v, t = unit(2, 5), unit(2, 5)
    cosines = (v @ t.T).tolist()
    expected = 0.0
    for own, other in ((0, 1), (1, 0)):
        expected += max(0.0, 0.3 - cosines[own][own] + cosines[own][other])
        expected += max(0.0, 0.3 - cosines[own][own] + cosines[other][own])
    assert expected > 0.1
    assert semantic_loss([v, t], 0.3).item() == pytest.approx(expected / 2)


def test_a_negative_is_never_the_video_itself() -> None:
    for seed in range(20):
        torch.manual_seed(seed)
        assert semantic_loss([torch.eye(5), torch.eye(5)], 0.3).item() == 0


def test_negatives_are_drawn_anew() -> None:
    torch.manual_seed(2)
    views = [unit(30, 5), unit(30, 5)]
    assert semantic_loss(views, 0.3) != semantic_loss(views, 0.3)


def test_videos_with_one_view_take_no_part() -> None:
    torch.manual_seed(3)
    v, t = unit(4, 5), unit(4, 5)
    v[1], t[2] = 0, 0
    both = [v[[0, 3]], t[[0, 3]]]
    torch.testing.assert_close(semantic_loss([v, t], 0.3), semantic_loss(both, 0.3))
    assert semantic_loss([v[:2], t[:2]], 0.3).item() == 0


def test_views_are_unit_means_of_rows_or_products_and_zero_where_missing() -> None:
    torch.manual_seed(4)
    text = np.array([[1, 2], [0, 0], [3, -1]], np.float32)
    fields = {"tags": Ragged.of([[0, 2], [1], []])}
    items = Items(fields, {"text": text}, np.array([[True, True], [True, False], [False, True]]))
    embedding = SemanticEmbedding(("text", "tags"), {"tags": 3}, {"text": 2}, 4)
    weights = {
        view: parameter.detach() for view, parameter in zip(embedding.views, embedding.parameters(), strict=True)
    }
    first, second = embedding(items)
    for row in range(3):
        product = weights["text"] @ torch.from_numpy(text[row])
        torch.testing.assert_close(first[row], functional.normalize(product, dim=0))
    torch.testing.assert_close(second[0], functional.normalize(weights["tags"][[0, 2]].mean(dim=0), dim=0))
    torch.testing.assert_close(second[1], functional.normalize(weights["tags"][1], dim=0))
    assert not first[1].any()
    assert not second[2].any()
