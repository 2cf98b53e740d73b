"""Fusions of modalities against their equations, and in a click model whose users look at different modalities."""

import pytest
import torch

from tagging.config.clicks import ClicksConfig
from tagging.recommendation.clicks.fusion import AttentionFusion, Concatenation, Fusion, UserGuidedFusion
from tagging.recommendation.clicks.measures import auc
from tagging.recommendation.clicks.network import ClickNetwork
from tagging.recommendation.clicks.train import Inputs, fit, probabilities

DIMS = {"frames": 3, "audio": 2}


def some_rows() -> dict[str, torch.Tensor]:
    rows = {"frames": torch.randn(3, 3), "audio": torch.randn(3, 2)}
    rows["audio"][1] = 0  # missing
    return rows


@pytest.mark.parametrize("guided", [False, True])
def test_modalities_are_weighted_by_content_and_where_guided_by_the_user(guided: bool) -> None:
    torch.manual_seed(0)
    fusion = (UserGuidedFusion if guided else AttentionFusion)(DIMS, width=4)
    user, rows = torch.randn(3, 4), some_rows()
    for row, present in ((0, DIMS), (1, ("frames",)), (2, DIMS)):
        units = {name: rows[name][row] / rows[name][row].norm() for name in present}
        tokens = [enter(units[name]) for name, enter in zip(DIMS, fusion.enter, strict=True) if name in units]
        guide = fusion.guide(user[row]) if isinstance(fusion, UserGuidedFusion) else 0
        energies = torch.stack([fusion.energy(torch.tanh(token + guide))[0] for token in tokens])
        expected = sum(weight * token for weight, token in zip(energies.softmax(0), tokens, strict=True))
        torch.testing.assert_close(fusion(rows, user)[0][row, 0], expected)
    assert fusion.attend(rows, user)[1][1].tolist() == [1, 0]


def test_concatenation_makes_a_field_of_each_modality() -> None:
    torch.manual_seed(0)
    fusion, rows = Concatenation(DIMS, width=4), some_rows()
    content, present = fusion(rows, torch.randn(3, 4))
    assert present.tolist() == [[True, True], [True, False], [True, True]]
    for modality, (name, enter) in enumerate(zip(DIMS, fusion.enter, strict=True)):
        torch.testing.assert_close(content[0, modality], enter(rows[name][0] / rows[name][0].norm()))
    assert not content[1, 1].any()


@pytest.mark.parametrize("fusion", [Concatenation, AttentionFusion, UserGuidedFusion])
def test_the_scale_of_an_encoder_changes_no_content(fusion: type[Fusion]) -> None:
    torch.manual_seed(0)
    built, rows, user = fusion(DIMS, 4), some_rows(), torch.randn(3, 4)
    scaled = {name: scale * values for (name, values), scale in zip(rows.items(), (20, 0.01), strict=True)}
    torch.testing.assert_close(built(scaled, user), built(rows, user))


@pytest.mark.parametrize("fusion", [Concatenation, AttentionFusion, UserGuidedFusion])
def test_a_video_without_any_modality_has_no_content(fusion: type[Fusion]) -> None:
    built = fusion(DIMS, 4)
    content, present = built({name: torch.zeros(1, dim) for name, dim in DIMS.items()}, torch.ones(1, 4))
    assert content.shape == (1, built.fields, 4)
    assert not content.any()
    assert not present.any()


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
    fusion = UserGuidedFusion(DIMS, config.width)
    network = ClickNetwork({"user_id": 3, "video_id": 2}, config, fusion)
    fit(network, taste(1000, 1), taste(200, 2), config, torch.Generator().manual_seed(3))
    test = taste(500, 4)
    assert auc(probabilities(network, test), test.clicked.numpy() > 0) > 0.93
    users = network.embedding.tables[0].get_parameter("weight")[1:, None].expand(2, 500, config.width)
    of_frames = [fusion.attend(test.fields, user)[1][:, 0].mean().item() for user in users]
    assert of_frames[0] > of_frames[1] + 0.2
