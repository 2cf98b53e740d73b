"""Steps of training on sequences, by plain loops."""

from itertools import islice

import numpy as np
import torch

from tagging.ragged import Ragged
from tagging.recommendation.steps import Draws, Step, batches_by_length, last_windows


def test_every_user_is_in_one_batch_of_an_epoch_with_users_of_like_length() -> None:
    lengths = np.random.default_rng(1).integers(2, 30, 200)
    users = np.flatnonzero(lengths % 7 > 0)
    batches = batches_by_length(users, lengths, 100, np.random.default_rng(2))
    count = -(-int(lengths[users].sum()) // 100)
    for _ in range(2):
        epoch = list(islice(batches, count))
        assert sorted(np.concatenate(epoch).tolist()) == users.tolist()
        assert max(np.ptp(lengths[batch]) for batch in epoch) <= 4
        assert max(int(lengths[batch].sum()) for batch in epoch) < 130


def test_windows_are_the_last_videos() -> None:
    sequences = [[1, 2, 3, 4], [5], [], [6, 7]]
    rows, mask = last_windows(Ragged.of(sequences), 3)
    assert [rows[user][mask[user]].tolist() for user in range(4)] == [[2, 3, 4], [5], [], [6, 7]]
    assert rows.shape == (4, 3)
    assert mask[3].tolist() == [True, True, False]


def test_negatives_are_drawn_by_a_power_of_their_users() -> None:
    draws = Draws(np.array([16, 0, 1, 4]), 0.5, 7000)
    drawn = np.bincount(draws.draw(np.random.default_rng(3)), minlength=4)
    np.testing.assert_allclose(drawn, [4000, 0, 1000, 2000], rtol=0.05)
    np.testing.assert_allclose(np.exp(draws.log_expected), [4000, 0, 1000, 2000], rtol=1e-5)


def test_a_step_compares_each_case_with_its_next_video_and_the_drawn_ones() -> None:
    windows = np.array([[4, 9, 2], [9, 7, 0]])
    mask = np.array([[True, True, True], [True, True, False]])
    step = Step.of(windows, mask, np.array([9, 5, 9]), np.zeros(3, np.float32))
    assert step.distinct.tolist() == [2, 4, 5, 7, 9]
    assert step.distinct[step.watched].tolist() == [4, 9, 9]
    cases, vectors = torch.randn(3, 6), torch.randn(10, 6)
    positive, negative = step.cosines(cases, vectors[torch.from_numpy(step.distinct)])
    for case, following in enumerate((9, 2, 7)):
        torch.testing.assert_close(positive[case], cases[case] @ vectors[following])
        torch.testing.assert_close(negative[case], torch.stack([cases[case] @ vectors[n] for n in (9, 5, 9)]))


def test_own_videos_are_no_negatives() -> None:
    windows = np.array([[0, 3, 1], [2, 0, 0]])
    mask = np.array([[True, True, False], [True, True, False]])
    step = Step.of(windows, mask, np.array([3, 0, 2, 3]), np.zeros(4, np.float32))
    kept = step.without_own(torch.ones(2, 4)) == 1
    assert kept.tolist() == [[False, False, True, False], [True, False, False, True]]
