"""The objective, eq. 7 to 9: the softmax over all videos, and each loss with its weight."""

import numpy as np
import pytest
import torch

from tagging.config.recommendation import RecurrentConfig
from tagging.ragged import Ragged
from tagging.recommendation.items import Items
from tagging.recommendation.recurrent.interest import interest_loss
from tagging.recommendation.recurrent.network import RecurrentNetwork
from tagging.recommendation.recurrent.objective import objective
from tagging.recommendation.recurrent.relevance import relevance_loss
from tagging.recommendation.recurrent.semantic import semantic_loss
from tagging.recommendation.steps import Step

VIDEOS = 9
OFF = {"semantic_weight": 0.0, "interest_weight": 0.0, "relevance_weight": 0.0}
CONFIG = RecurrentConfig(width=8, topics=3, dropout=0.0, decay=0.4)
USERS = [[1, 4, 2], [4, 7], [0, 5]]
MASK = np.array([[True, True, True], [True, True, False], [True, True, False]])
WINDOWS = np.array([[*user, 0][:3] for user in USERS])
STEP = Step.of(WINDOWS, MASK, np.arange(VIDEOS), np.zeros(VIDEOS, np.float32))


@pytest.fixture(scope="module")
def items() -> Items:
    lists = Ragged.of([[row % 4] for row in range(VIDEOS)])
    fields = {"id": Ragged.of([[row] for row in range(VIDEOS)]), "words": lists, "tags": lists}
    return Items(fields, {}, np.ones((VIDEOS, 3), np.bool_))


@pytest.fixture(scope="module")
def network() -> RecurrentNetwork:
    torch.manual_seed(1)
    return RecurrentNetwork({"id": VIDEOS, "words": 4, "tags": 4}, {}, CONFIG).requires_grad_(False)


TOPICS = np.random.default_rng(2).random((VIDEOS, 3), np.float32)


def value(network: RecurrentNetwork, items: Items, **changes: object) -> float:
    torch.manual_seed(3)
    return objective(network, items, TOPICS, STEP, CONFIG.model_copy(update={**OFF, **changes})).item()


def test_the_coherence_loss_is_the_softmax_over_the_videos_that_the_user_did_not_watch(
    network: RecurrentNetwork, items: Items
) -> None:
    vectors = network.videos(items).vectors
    nats = []
    for watched in USERS:
        for t in range(1, len(watched)):
            user = network.users(vectors[watched[:t]], torch.ones(1, t, dtype=torch.bool))[-1]
            logits = network.logits(vectors @ user)
            kept = [video for video in range(VIDEOS) if video not in watched or video == watched[t]]
            nats.append((logits[kept].logsumexp(dim=0) - logits[watched[t]]).item())
    assert value(network, items) == pytest.approx(np.mean(nats), rel=1e-5)
    assert value(network, items, steps="last") == pytest.approx(np.mean(nats[1:]), rel=1e-5)


def test_every_loss_counts_with_its_weight(network: RecurrentNetwork, items: Items) -> None:
    base = value(network, items)
    encoded = network.videos(items)
    torch.manual_seed(3)
    semantic = semantic_loss(encoded.semantic, CONFIG.semantic_margin)
    watched = encoded.vectors[[1, 4, 4, 0]]
    mask = torch.tensor([[True, True], [True, False], [True, False]])
    interest = interest_loss(network.topics(torch.from_numpy(TOPICS[[1, 4, 4, 0]])), watched, mask, CONFIG.decay)
    shares = np.array([[0, 0.25, 0], [0.25, 0, 0], [0, 0, 0]], np.float32)
    relevance = relevance_loss(network.users(watched, mask)[[1, 2, 3]], shares, CONFIG.relevance_margin)
    for name, loss in (("semantic", semantic), ("interest", interest), ("relevance", relevance)):
        assert loss.item() > 0
        assert value(network, items, **{f"{name}_weight": 0.7}) - base == pytest.approx(0.7 * loss.item(), rel=1e-3)
