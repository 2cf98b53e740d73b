"""User-guided fusion against its equations, and in a click model whose users look at different modalities."""

import torch

from tagging.config.clicks import ClicksConfig
from tagging.recommendation.clicks.fusion import UserGuidedFusion
from tagging.recommendation.clicks.measures import auc
from tagging.recommendation.clicks.network import ClickNetwork
from tagging.recommendation.clicks.train import Inputs, fit, probabilities

DIMS = {"frames": 3, "audio": 2}


def test_modalities_are_weighted_by_user_and_content() -> None:
    torch.manual_seed(0)
    fusion, user = UserGuidedFusion(DIMS, width=4), torch.randn(3, 4)
    rows = {"frames": torch.randn(3, 3), "audio": torch.randn(3, 2)}
    rows["audio"][1] = 0  # missing
    for row, present in ((0, DIMS), (1, ("frames",)), (2, DIMS)):
        guide = fusion.guide(user[row])
        tokens = [enter(rows[name][row]) for name, enter in zip(DIMS, fusion.enter, strict=True) if name in present]
        energies = torch.stack([fusion.energy(torch.tanh(token + guide))[0] for token in tokens])
        expected = sum(weight * token for weight, token in zip(energies.softmax(0), tokens, strict=True))
        torch.testing.assert_close(fusion(rows, user)[0][row], expected)
    assert fusion(rows, user)[1][1].tolist() == [1, 0]


def test_a_video_without_any_modality_has_no_content() -> None:
    fusion = UserGuidedFusion(DIMS, width=4)
    content, weights = fusion({name: torch.zeros(1, dim) for name, dim in DIMS.items()}, torch.ones(1, 4))
    assert not content.any()
    assert not weights.any()


def taste(count: int, seed: int) -> Inputs:
    """Users 1 click by the first of the frames' numbers, users 2 by the first of the sound's."""
    generator = torch.Generator().manual_seed(seed)
    user = torch.randint(1, 3, (count, 1), generator=generator)
    rows = {name: torch.randn(count, dim, generator=generator) for name, dim in DIMS.items()}
    clicked = torch.where(user[:, 0] == 1, rows["frames"][:, 0], rows["audio"][:, 0]) > 0
    return Inputs({"user_id": user, "video_id": torch.ones_like(user), **rows}, clicked.float())


def test_a_click_model_learns_which_modality_each_user_looks_at() -> None:
    torch.manual_seed(0)
    config = ClicksConfig(width=8, layers=1, hidden=(16,), dropout=0, batch=50, rate=0.02, weight_decay=0, epochs=8)
    network = ClickNetwork({"user_id": 3, "video_id": 2}, config, DIMS)
    fit(network, taste(1000, 1), taste(200, 2), config, torch.Generator().manual_seed(3))
    test = taste(500, 4)
    assert auc(probabilities(network, test), test.clicked.numpy() > 0) > 0.93
