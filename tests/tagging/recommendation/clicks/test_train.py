"""Training of click models: an interaction is learnt, and stops by the validation part."""

import logging
import re

import numpy as np
import pytest
import torch

from tagging.config.clicks import ClicksConfig
from tagging.errors import TrainingDivergedError
from tagging.ragged import Ragged
from tagging.recommendation.clicks.impressions import Impressions
from tagging.recommendation.clicks.measures import auc
from tagging.recommendation.clicks.network import ClickNetwork
from tagging.recommendation.clicks.train import Inputs, fit, probabilities

CONFIG = ClicksConfig(width=8, hidden=(), batch=100, rate=0.02, weight_decay=0, epochs=15)
MANY = 30  # users and videos; an even number


def matching(count: int, seed: int, wrong: bool = False, users: int = 2) -> Impressions:
    """Impressions that are clicked where user and video are of the same kind, which neither field tells alone.

    users: how many, and as many videos; half of each are of one kind
    """
    user, video = np.random.default_rng(seed).integers(1, 1 + users, (2, count))
    fields = {"user": Ragged.of(user[:, None]), "video": Ragged.of(video[:, None])}
    return Impressions(fields, user, (user % 2 == video % 2) != wrong)


def trained(training: Impressions, validation: Impressions, config: ClicksConfig = CONFIG) -> ClickNetwork:
    torch.manual_seed(config.seed)
    sizes = {name: 1 + int(lists.values.max()) for name, lists in training.fields.items()}
    network = ClickNetwork(sizes, config)
    fit(network, Inputs.of(training), Inputs.of(validation), config, torch.Generator().manual_seed(1))
    return network


def test_an_interaction_of_two_fields_is_learnt() -> None:
    test = matching(200, 3)
    network = trained(matching(1000, 1), matching(200, 2))
    assert auc(probabilities(network, Inputs.of(test)), test.clicked) > 0.99


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_interaction_is_learnt_though_first_order_weights_overfit_before(
    seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    validation, test = matching(200, 2, users=MANY), matching(200, 3, users=MANY)
    network = trained(matching(1000, 1, users=MANY), validation, CONFIG.model_copy(update={"seed": seed}))
    assert losses(caplog.text)[0] < min(losses(caplog.text)[1:3])  # an epoch without gain
    assert auc(probabilities(network, Inputs.of(test)), test.clicked) > 0.99


def losses(log: str) -> list[float]:
    """Return the log losses of the validation part, two an epoch."""
    return [float(found) for found in re.findall(r"log loss (\d\.\d+)", log)]


@pytest.mark.parametrize("patience", [1, 3])
def test_the_weights_of_the_lowest_log_loss_are_kept(patience: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    validation = matching(200, 2, wrong=True)
    network = trained(matching(1000, 1), validation, CONFIG.model_copy(update={"patience": patience}))
    measured = losses(caplog.text)
    assert len(measured) == 1 + measured.index(min(measured)) + 2 * patience  # it rises, so training stops early
    p = probabilities(network, Inputs.of(validation))
    kept = -np.log(np.where(validation.clicked, p, 1 - p)).mean()
    assert kept == pytest.approx(min(measured), abs=1e-4)
    assert measured[-1] > min(measured) + 0.01


def test_the_same_seeds_give_the_same_weights() -> None:
    config = CONFIG.model_copy(update={"hidden": (4,), "epochs": 1})
    first, second = (trained(matching(300, 1), matching(100, 2), config) for _ in range(2))
    for name, weights in first.state_dict().items():
        assert torch.equal(weights, second.state_dict()[name]), name


def test_a_rest_of_one_impression_is_no_batch_of_its_own() -> None:
    network = trained(matching(101, 1), matching(20, 2), CONFIG.model_copy(update={"hidden": (4,), "epochs": 1}))
    assert all(torch.isfinite(weights).all() for weights in network.state_dict().values())


def test_a_training_that_diverges_is_one_error() -> None:
    with pytest.raises(TrainingDivergedError):
        trained(matching(300, 1), matching(100, 2), CONFIG.model_copy(update={"rate": 1e30, "epochs": 2}))
