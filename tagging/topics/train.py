"""Training of the mixture of experts on the categories and tags of videos: one loop."""

import logging
import math
from collections.abc import Mapping

import numpy as np
import torch

from recall.loss import LOSSES
from tagging.config.topics import MmoeConfig
from tagging.errors import NothingToLearnError
from tagging.progress import Progress
from tagging.ragged import Ragged
from tagging.topics.content import ContentRows
from tagging.topics.loss import Pairs, multi_task_loss
from tagging.topics.mmoe import Mmoe
from tagging.topics.tasks import TAGS, Task
from tagging.torch_tools import modality_dropout, require_finite
from tagging.types import Indices

logger = logging.getLogger(__name__)

LOG_EVERY = 200  # steps
MAX_NORM = 1.0  # of the gradient


def fit_mmoe(
    content: ContentRows,
    tasks: Mapping[str, Task],
    config: MmoeConfig,
    generator: np.random.Generator,
    progress: Progress,
) -> Mmoe:
    """Train on the videos that have a modality and a label.

    content: V videos; tasks: their classes
    Of more videos than `most_steps` batches have, a random part is seen. The same generator gives the same weights.
    Raises NothingToLearnError if there is no such video, and TrainingDivergedError.
    """
    labelled = np.stack([np.diff(task.labels.starts) > 0 for task in tasks.values()]).any(axis=0) if tasks else False
    usable = np.flatnonzero(content.known & labelled)
    if not len(usable):
        raise NothingToLearnError(f"none of {len(content)} videos has content and a category or tag")
    size = min(config.batch, len(usable))
    steps = max(config.least_steps, min(config.most_steps, round(config.epochs * (len(usable) // size))))
    losses = {task: LOSSES[config.tag_loss if task == TAGS else "softmax"] for task in tasks}
    drops = torch.Generator().manual_seed(int(generator.integers(2**63)))
    with torch.random.fork_rng(), progress.track("learn topics", steps) as advance:
        torch.manual_seed(int(generator.integers(2**63)))  # of first weights and dropout
        dims = {name: rows.shape[1] for name, rows in content.values.items()}
        model = Mmoe(dims, {name: task.classes for name, task in tasks.items()}, config)
        model.standardise(content, usable)
        trained = [weight for weight in model.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=config.rate, weight_decay=config.weight_decay)
        order = np.zeros(0, np.int64)
        for step in range(steps):
            if len(order) < size:
                order = generator.permutation(usable)
            rows, order = order[:size], order[size:]
            for group in optimizer.param_groups:
                group["lr"] = config.rate * 0.5 * (1 + math.cos(math.pi * step / steps))
            batch = content.only(rows)
            values = {name: torch.from_numpy(matrix) for name, matrix in batch.values.items()}
            present = modality_dropout(torch.from_numpy(batch.present), config.modality_dropout, drops)
            positives = {name: _pairs(task.labels.only(rows)) for name, task in tasks.items()}
            loss = multi_task_loss(model(values, present), positives, losses)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(trained, MAX_NORM)
            optimizer.step()
            advance(1)
            if (step + 1) % LOG_EVERY == 0 or step + 1 == steps:
                logger.info("step %d of %d: loss %.3f", step + 1, steps, loss.item())
                require_finite(model, loss.item(), step + 1)
    return model.eval().requires_grad_(False)


def _pairs(labels: Ragged) -> Pairs:
    """Return the rows and classes of a batch's labels."""
    rows: Indices = np.repeat(np.arange(len(labels)), np.diff(labels.starts))
    return torch.from_numpy(rows), torch.from_numpy(labels.values)
