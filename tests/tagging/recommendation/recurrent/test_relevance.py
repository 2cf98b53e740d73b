"""User relevance and eq. 6, by plain loops."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from tagging.recommendation.recurrent.relevance import last_of, relevance, relevance_loss
from tagging.recommendation.steps import Step


def test_relevance_is_the_overlap_of_what_two_users_watched() -> None:
    watched = [[4, 7, 9], [7, 4], [0, 5, 8], [9, 0]]
    windows, mask = np.zeros((4, 3), np.int64), np.zeros((4, 3), np.bool_)
    for user, videos in enumerate(watched):
        windows[user, : len(videos)], mask[user, : len(videos)] = videos, True
    found = relevance(Step.of(windows, mask, np.array([4, 4]), np.zeros(2, np.float32)))
    for i in range(4):
        for j in range(4):
            both, either = set(watched[i]) & set(watched[j]), set(watched[i]) | set(watched[j])
            assert found[i, j] == pytest.approx(0 if i == j else len(both) / len(either))


def test_the_loss_is_that_of_the_most_relevant_user_and_all_without_relevance() -> None:
    users = functional.normalize(torch.randn(5, 4, generator=torch.Generator().manual_seed(1)), dim=1)
    shares = np.zeros((5, 5), np.float32)
    for i, j, share in ((0, 1, 0.2), (1, 2, 0.5), (3, 0, 0.1)):
        shares[i, j] = shares[j, i] = share
    cosines = (users @ users.T).tolist()
    losses = []
    for i, p in ((0, 1), (1, 2), (2, 1), (3, 0)):
        strangers = [n for n in range(5) if n != i and shares[i, n] == 0]
        losses += [max(0.0, 0.5 - cosines[i][p] + cosines[i][n]) for n in strangers]
    assert sum(losses) > 0
    assert relevance_loss(users, shares, 0.5).item() == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_users_without_a_relevant_one_cost_nothing() -> None:
    assert relevance_loss(torch.eye(3), np.zeros((3, 3), np.float32), 0.5).item() == 0


def test_the_last_state_of_each_user() -> None:
    mask = np.array([[True, True, False], [True, False, False], [True, True, True]])
    assert last_of(mask).tolist() == [1, 2, 5]
