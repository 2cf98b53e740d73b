"""Both towers, and the loss of a step."""

import numpy as np
import pytest
import torch

from tagging.config.recommendation import Fusion
from tagging.progress import Silent
from tagging.ragged import Ragged
from tagging.recommendation.items import Items, build_vocabulary
from tagging.recommendation.steps import Step
from tagging.recommendation.two_towers.towers import ItemTower, TwoTowers, UserTower
from tagging.recommendation.two_towers.train import fit_towers, hide_ids, step_loss
from tests.support.watching import TINY, VIDEOS, catalog


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
        step = Step.of(rows, mask, np.array(drawn), np.zeros(len(drawn), np.float32))
        return step_loss(model, items, step, config).item()

    assert losses(4, 7, 9, 9, 5) < losses(6, 7, 9, 9, 5)
    own = losses(4, 7, 9, 9)
    if loss == "softmax":
        assert own == 0
    else:
        assert 0 < own < losses(4, 7, 9, 5)


def test_ids_are_hidden_where_another_view_is_left() -> None:
    lists = Ragged.of([[row] for row in range(400)])
    text = np.ones((400, 2), np.float32)
    text[:100] = 0
    items = Items({"id": lists}, {"text": text}, np.stack([np.ones(400, np.bool_), text.any(axis=1)], axis=1))
    torch.manual_seed(2)
    present = hide_ids(items, np.arange(400), 0.3)
    assert present[:100, 0].all()
    assert 0.6 < present[100:, 0].mean() < 0.8
    assert present[:, 1].tolist() == items.present[:, 1].tolist()
    assert items.present[:, 0].all()


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


def test_rows_of_encoders_are_standardised_by_the_videos_of_the_training() -> None:
    generator = np.random.default_rng(3)
    text = generator.normal(5, [0.1, 3.0], (60, 2)).astype(np.float32)
    text[:10] = 0  # missing
    text[40:] += 100  # of videos that no one watched
    items = Items({}, {"text": text}, np.asarray(text.any(axis=1))[:, None])
    sequences = Ragged.of([generator.permutation(np.arange(10, 40))[:5] for _ in range(30)])
    learnt = text[np.unique(sequences.values)]
    tower = fit_towers(items, sequences, {}, TINY.model_copy(update={"epochs": 0.1}), Silent()).item
    found = tower.standardise["text"](torch.from_numpy(text)).numpy()
    np.testing.assert_allclose(found, (text - learnt.mean(axis=0)) / learnt.std(axis=0), rtol=1e-3, atol=1e-3)
