"""The network: users know no later video, and only the GRU knows the order of earlier ones."""

from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor

from tagging.config.recommendation import RecurrentConfig
from tagging.ragged import Ragged
from tagging.recommendation.items import Items
from tagging.recommendation.recurrent.network import RecurrentNetwork

CONFIG = RecurrentConfig(width=8, topics=3, dropout=0.0)


def network(**changes: object) -> RecurrentNetwork:
    torch.manual_seed(1)
    sizes = {"id": 4, "words": 3, "tags": 3}
    return RecurrentNetwork(sizes, {}, CONFIG.model_copy(update=changes)).eval().requires_grad_(False)


def last(users: RecurrentNetwork, watched: Tensor) -> Tensor:
    return users.users(watched, torch.ones(1, len(watched), dtype=torch.bool))[-1]


@pytest.mark.parametrize("memory", ["gru", "static"])
def test_a_user_does_not_depend_on_later_videos_and_others(memory: Literal["gru", "static"]) -> None:
    users = network(memory=memory)
    watched = torch.randn(5, 8)
    mask = torch.tensor([[True, True, False], [True, True, True]])
    states = users.users(watched, mask)
    torch.testing.assert_close(states[1], last(users, watched[:2]))
    torch.testing.assert_close(states[3], last(users, watched[2:4]))
    torch.testing.assert_close(states[4], last(users, watched[2:]))
    torch.testing.assert_close(states.norm(dim=1), torch.ones(5))


def test_the_order_of_earlier_videos_counts_for_the_gru_alone() -> None:
    watched = torch.randn(4, 8)
    swapped = watched[[1, 0, 2, 3]]
    recurrent = network(interest=False)
    assert (last(recurrent, watched) - last(recurrent, swapped)).abs().max() > 1e-3
    static = network(memory="static", decay=0.0)
    torch.testing.assert_close(last(static, watched), last(static, watched[[3, 1, 0, 2]]))


def test_interest_adds_the_decayed_mean() -> None:
    watched = torch.randn(3, 8)
    without, slow, fast = network(interest=False), network(decay=0.1), network(decay=50.0)
    with torch.no_grad():
        for users in (without, slow, fast):
            users.memory.leave.weight.zero_()  # type: ignore[union-attr, operator]
            users.memory.leave.bias.zero_()  # type: ignore[union-attr, operator]
    torch.testing.assert_close(last(fast, watched), last(without, watched))
    inputs = slow.norm(watched)
    weights = torch.exp(torch.tensor([-0.2, -0.1, 0.0]))
    expected = inputs[2] + (weights[:, None] * inputs).sum(dim=0) / weights.sum()
    torch.testing.assert_close(last(slow, watched), expected / expected.norm())


def test_videos_are_their_own_vector_and_the_projected_views() -> None:
    lists = Ragged.of([[0], [1], []])
    fields = {"id": Ragged.of([[2], [], []]), "words": lists, "tags": lists}
    items = Items(fields, {}, np.ones((3, 3), np.bool_))
    whole, alone = network(), network(semantic=False)
    encoded = whole.videos(items)
    assert whole.project is not None
    expected = torch.cat(encoded.semantic, dim=1) @ whole.project.weight.T
    expected[0] += whole.own.weight[2]
    torch.testing.assert_close(encoded.vectors[:2], expected[:2] / expected[:2].norm(dim=1, keepdim=True))
    assert encoded.vectors.any(dim=1).tolist() == [True, True, False]
    assert alone.videos(items).vectors.any(dim=1).tolist() == [True, False, False]
    assert alone.videos(items).semantic == []
