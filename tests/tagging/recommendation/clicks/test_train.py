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
SIZES = {"user": 3, "video": 3}


def matching(count: int, seed: int, wrong: bool = False) -> Impressions:
    """Impressions that are clicked where user and video are of the same kind, which neither field tells alone."""
    user, video = np.random.default_rng(seed).integers(1, 3, (2, count))
    fields = {"user": Ragged.of(user[:, None]), "video": Ragged.of(video[:, None])}
    return Impressions(fields, user, (user == video) != wrong)


def trained(training: Impressions, validation: Impressions, config: ClicksConfig = CONFIG) -> ClickNetwork:
    torch.manual_seed(config.seed)
    network = ClickNetwork(SIZES, config)
    fit(network, Inputs.of(training), Inputs.of(validation), config, torch.Generator().manual_seed(1))
    return network


def test_an_interaction_of_two_fields_is_learnt() -> None:
    test = matching(200, 3)
    network = trained(matching(1000, 1), matching(200, 2))
    assert auc(probabilities(network, Inputs.of(test)), test.clicked) > 0.99


def test_the_weights_of_the_lowest_log_loss_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    validation = matching(200, 2, wrong=True)
    network = trained(matching(1000, 1), validation)
    losses = [float(found) for found in re.findall(r"log loss (\d\.\d+)", caplog.text)]
    assert 3 <= len(losses) < 2 * CONFIG.epochs  # it rises, so training stops early
    p = probabilities(network, Inputs.of(validation))
    kept = -np.log(np.where(validation.clicked, p, 1 - p)).mean()
    assert kept == pytest.approx(min(losses), abs=1e-4)
    assert losses[-1] > min(losses) + 0.01


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
