"""Training of the two towers on sequences: each video is predicted from those before it."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tagging.config.random_streams import Stream
from tagging.config.recommendation import TwoTowersConfig
from tagging.progress import Progress
from tagging.ragged import Ragged
from tagging.recommendation.items import ID, Items
from tagging.recommendation.loop import train_on_sequences
from tagging.recommendation.loss import sampled_softmax, sigmoid
from tagging.recommendation.steps import Step
from tagging.recommendation.two_towers.towers import TwoTowers
from tagging.types import Indices


def fit_towers(
    items: Items,
    sequences: Ragged,
    sizes: Mapping[str, int],
    config: TwoTowersConfig,
    progress: Progress,
) -> TwoTowers:
    """Train the towers by `train_on_sequences`; the same input and seed give the same weights.

    Rows of encoders are standardised by the videos of the sequences.
    items: V videos by view; sizes: rows of the tables of their fields; sequences: U lists of video rows in order
    Raises NothingToLearnError for users without anything to learn from, and TrainingDivergedError.
    """
    learnt = items.only(np.unique(sequences.values))

    def build() -> TwoTowers:
        towers = TwoTowers(sizes, {name: rows.shape[1] for name, rows in items.dense.items()}, config)
        towers.item.learn_scales(learnt.dense)
        return towers

    return train_on_sequences(
        build,
        lambda model, step: step_loss(model, items, step, config),
        sequences,
        len(items),
        config,
        np.random.default_rng([config.seed, Stream.RECOMMENDATION_TRAINING]),
        progress,
    )


def encode_items(model: TwoTowers, items: Items, rows: Indices, present: NDArray[np.bool_]) -> Tensor:
    """Return unit rows (n, D) of some items; present: (n, views) those to use, at least one per row."""
    part = items.only(rows)
    fields = {
        name: (torch.from_numpy(lists.values), torch.from_numpy(lists.starts[:-1]))
        for name, lists in part.fields.items()
    }
    dense = {name: torch.from_numpy(values) for name, values in part.dense.items()}
    return torch.as_tensor(model.item(fields, dense, torch.from_numpy(present)))


def step_loss(model: TwoTowers, items: Items, step: Step, config: TwoTowersConfig) -> Tensor:
    """Return the mean loss over all cases of a step."""
    present = hide_ids(items, step.distinct, config.id_dropout)
    vectors = encode_items(model, items, step.distinct, present)
    cases = model.user(vectors[step.watched], torch.from_numpy(step.is_case))  # (P, D)
    positive, negative = (model.logits(cosines) for cosines in step.cosines(cases, vectors))
    negative = step.without_own(negative)
    if config.loss == "softmax":
        return sampled_softmax(positive, negative, torch.from_numpy(step.log_expected)).mean()
    return sigmoid(positive, negative, config.ratio).mean()


def hide_ids(items: Items, rows: Indices, share: float) -> NDArray[np.bool_]:
    """Return the views (n, views) of some items, the ID hidden in a share of those that have another view.

    torch's global generator draws, as it does for dropout.
    """
    present = items.present[rows].copy()
    if ID in items.fields:
        hidden = (torch.rand(len(rows)) < share).numpy() & present[:, 1:].any(axis=1)
        present[hidden, 0] = False
    return present
