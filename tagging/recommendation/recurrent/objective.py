"""The objective: the coherence loss with those of semantics, interest and relevance (Gao et al. 2017, eq. 7 to 9).

    L = L_rec + λ1 L_sem + λ2 L_int + λ3 L_rel + λ4 |θ|²

Each is a mean where the paper sums, so that the λ do not depend on the size of a step; λ4 is the optimizer's weight
decay. The softmax of eq. 8 is over all videos, estimated from drawn ones.
"""

import torch
from torch import Tensor

from tagging.config.recommendation import RecurrentConfig
from tagging.recommendation.items import Items
from tagging.recommendation.loss import sampled_softmax
from tagging.recommendation.recurrent.interest import interest_loss
from tagging.recommendation.recurrent.network import RecurrentNetwork
from tagging.recommendation.recurrent.relevance import last_of, relevance, relevance_loss
from tagging.recommendation.recurrent.semantic import semantic_loss
from tagging.recommendation.steps import Step
from tagging.types import FloatRows


def objective(
    network: RecurrentNetwork, items: Items, topics: FloatRows, step: Step, config: RecurrentConfig
) -> Tensor:
    """Return the loss of a step.

    items, topics: V videos by view, and their topics (V, Du)
    """
    videos = network.videos(items.only(step.distinct))
    mask = torch.from_numpy(step.is_case)
    watched = videos.vectors[step.watched]
    users = network.users(watched, mask)
    positive, negative = (network.logits(cosines) for cosines in step.cosines(users, videos.vectors))
    nats = sampled_softmax(positive, step.without_own(negative), torch.from_numpy(step.log_expected))
    last = last_of(step.is_case)
    loss = nats.mean() if config.steps == "all" else nats[last].mean()
    if config.semantic:
        loss = loss + config.semantic_weight * semantic_loss(videos.semantic, config.semantic_margin)
    if config.interest:
        projected = network.topics(torch.from_numpy(topics[step.distinct])[step.watched])
        loss = loss + config.interest_weight * interest_loss(projected, watched, mask, config.decay)
    if config.relevance_weight:
        loss = loss + config.relevance_weight * relevance_loss(users[last], relevance(step), config.relevance_margin)
    return loss
