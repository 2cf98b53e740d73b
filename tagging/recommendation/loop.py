"""The loop that trains a network on sequences: each video is predicted from those before it."""

import logging
import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from tagging.config.recommendation import SequenceTraining
from tagging.errors import NothingToLearnError
from tagging.progress import Progress
from tagging.ragged import Ragged
from tagging.recommendation.steps import Draws, Step, batches_by_length, last_windows
from tagging.torch_tools import require_finite

logger = logging.getLogger(__name__)

LOG_EVERY = 100  # steps
MAX_NORM = 1.0  # of the gradient
WARM_UP = 0.05  # of the steps

Network = TypeVar("Network", bound=nn.Module)


def train_on_sequences(
    build: Callable[[], Network],
    step_loss: Callable[[Network, Step], Tensor],
    sequences: Ragged,
    videos: int,
    config: SequenceTraining,
    generator: np.random.Generator,
    progress: Progress,
) -> Network:
    """Train on the users with two videos or more, and with a negative: a video that only others watched.

    The same input and generator give the same weights.

    build:     makes the untrained network; torch's global generator draws its weights, as it does for dropout
    step_loss: the mean loss over the cases of a step
    sequences: U lists of rows of a catalog of `videos`, in order, without repeats inside a user
    Raises NothingToLearnError if there is no such user, and TrainingDivergedError.
    """
    counts, own = np.bincount(sequences.values, minlength=videos), np.diff(sequences.starts)
    users = np.flatnonzero((own > 1) & (own < np.count_nonzero(counts)))
    if not len(users):
        raise NothingToLearnError(
            f"none of {len(sequences)} users has two videos, and a negative: one that only others watched"
        )
    draws = Draws(counts, config.popularity, config.negatives)
    lengths = np.minimum(np.diff(sequences.starts), config.history + 1)
    steps = max(1, round(config.epochs * lengths[users].sum() / config.batch))
    batches = batches_by_length(users, lengths, config.batch, generator)
    with torch.random.fork_rng(), progress.track("train", steps) as advance:
        torch.manual_seed(int(generator.integers(2**63)))
        network = build()
        # Fused: the update of large tables would otherwise be a fifth of a step.
        decay = config.weight_decay
        optimizer = torch.optim.AdamW(network.parameters(), lr=config.rate, weight_decay=decay, fused=True)
        for number, rows in zip(range(steps), batches, strict=False):
            for group in optimizer.param_groups:
                group["lr"] = config.rate * learning_share(number / steps)
            windows, mask = last_windows(sequences.only(rows), config.history + 1)
            negatives = draws.draw(generator)
            loss = step_loss(network, Step.of(windows, mask, negatives, draws.log_expected[negatives]))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), MAX_NORM)
            optimizer.step()
            advance(1)
            if (number + 1) % LOG_EVERY == 0 or number + 1 == steps:
                logger.info("step %d of %d: loss %.3f", number + 1, steps, loss.item())
                require_finite(network, loss.item(), number + 1)
    return network.eval().requires_grad_(False)


def learning_share(done: float) -> float:
    """Return the share of the learning rate, rising and then falling as a cosine; done: share of the steps."""
    return done / WARM_UP if done < WARM_UP else 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))
