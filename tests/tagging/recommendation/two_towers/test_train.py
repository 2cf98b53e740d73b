"""Parts of the training of the two towers, by plain loops; and their losses."""

from itertools import islice

import numpy as np
import pytest
import torch

from tagging.config.recommendation import Fusion
from tagging.ragged import TagLists
from tagging.recommendation.two_towers.items import Items, build_vocabulary
from tagging.recommendation.two_towers.loss import sampled_softmax, sigmoid
from tagging.recommendation.two_towers.towers import ItemTower, TwoTowers, UserTower
from tagging.recommendation.two_towers.train import (
    Draws,
    batches_by_length,
    hide_ids,
    last_windows,
    learning_share,
    own_videos,
    step_loss,
)
from tests.support.watching import TINY, VIDEOS, catalog


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
    rows, mask = last_windows(TagLists.of(sequences), 3)
    assert [rows[user][mask[user]].tolist() for user in range(4)] == [[2, 3, 4], [5], [], [6, 7]]
    assert rows.shape == (4, 3)
    assert mask[3].tolist() == [True, True, False]


def test_negatives_are_drawn_by_a_power_of_their_users() -> None:
    draws = Draws(np.array([16, 0, 1, 4]), 0.5, 7000)
    drawn = np.bincount(draws.draw(np.random.default_rng(3)), minlength=4)
    np.testing.assert_allclose(drawn, [4000, 0, 1000, 2000], rtol=0.05)
    np.testing.assert_allclose(np.exp(draws.log_expected), [4000, 0, 1000, 2000], rtol=1e-5)


def test_own_videos_are_no_negatives() -> None:
    where = np.array([[0, 3], [2, 0]])
    mask = np.array([[True, True], [True, False]])
    found = own_videos(where, mask, np.array([3, 0, 2, 3]), 4)
    assert found.tolist() == [[True, True, False, True], [False, False, True, False]]


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_a_video_that_the_user_watched_does_not_count_as_negative(loss: str) -> None:
    videos = catalog()
    config = TINY.model_copy(update={"loss": loss})
    vocabulary = build_vocabulary(videos.videos, videos.embeddings, np.arange(VIDEOS), ("id",), 1)
    items = vocabulary.items(videos.videos, videos.embeddings)
    torch.manual_seed(1)
    model = TwoTowers(vocabulary.sizes, {}, config).eval()
    rows, mask = np.array([[4, 7, 9]]), np.ones((1, 3), np.bool_)

    def losses(*drawn: int) -> float:
        negatives = np.array(drawn)
        return step_loss(model, items, rows, mask, negatives, np.zeros(len(drawn), np.float32), config).item()

    assert losses(4, 7, 9, 9, 5) < losses(6, 7, 9, 9, 5)
    own = losses(4, 7, 9, 9)
    if loss == "softmax":
        assert own == 0
    else:
        assert 0 < own < losses(4, 7, 9, 5)


def test_ids_are_hidden_where_another_view_is_left() -> None:
    lists = TagLists.of([[row] for row in range(400)])
    text = np.ones((400, 2), np.float32)
    text[:100] = 0
    items = Items({"id": lists}, {"text": text}, np.stack([np.ones(400, np.bool_), text.any(axis=1)], axis=1))
    torch.manual_seed(2)
    present = hide_ids(items, np.arange(400), 0.3)
    assert present[:100, 0].all()
    assert 0.6 < present[100:, 0].mean() < 0.8
    assert present[:, 1].tolist() == items.present[:, 1].tolist()
    assert items.present[:, 0].all()


def test_the_rate_rises_and_falls() -> None:
    shares = [learning_share(step / 100) for step in range(101)]
    assert shares[0] == 0
    assert max(shares) == shares[5] == 1
    assert shares[100] == pytest.approx(0)


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


def test_a_user_does_not_depend_on_later_videos_but_on_the_order_of_earlier_ones() -> None:
    torch.manual_seed(6)
    tower = UserTower(8, 2, 5, 0.0)
    with torch.no_grad():
        tower.distance.normal_()
        watched, mask = torch.randn(4, 8), torch.ones(1, 4, dtype=torch.bool)
        states = tower(watched, mask)
        changed = watched.clone()
        changed[3] = torch.randn(8)
        torch.testing.assert_close(tower(changed, mask)[:3], states[:3])
        swapped = tower(watched[[1, 0, 2, 3]], mask)
    assert (swapped[3] - states[3]).abs().max() > 1e-3


@pytest.mark.parametrize("fusion", ["attention", "concatenation"])
def test_a_missing_view_changes_nothing(fusion: Fusion) -> None:
    torch.manual_seed(7)
    tower = ItemTower({"id": 3}, {"text": 4}, 8, fusion, 0.0)
    field = (torch.tensor([0, 2]), torch.tensor([0, 1]))
    text = torch.randn(2, 4)
    present = torch.tensor([[True, False], [True, True]])
    with torch.no_grad():
        rows = tower({"id": field}, {"text": text}, present)
        other = tower({"id": field}, {"text": text + 1}, present)
    torch.testing.assert_close(other[0], rows[0])
    assert (other[1] - rows[1]).abs().max() > 1e-3
