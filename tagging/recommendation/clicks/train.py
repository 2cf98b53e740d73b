"""Training of a click model with early stopping; every compared system is trained by it."""

import copy
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tagging.config.clicks import ClicksConfig
from tagging.errors import TrainingDivergedError
from tagging.recommendation.clicks.impressions import Impressions, padded

logger = logging.getLogger(__name__)

AT_ONCE = 8192  # impressions of a prediction
CHECKS = 2  # of the validation part, in an epoch


@dataclass(frozen=True, slots=True, eq=False)
class Inputs:
    """n impressions as tensors."""

    fields: Mapping[str, Tensor]  # as ClickNetwork reads them
    clicked: Tensor  # (n,) 1 or 0

    @classmethod
    def of(cls, impressions: Impressions) -> "Inputs":
        fields = {name: torch.from_numpy(padded(lists)) for name, lists in impressions.fields.items()}
        return cls(fields, torch.from_numpy(impressions.clicked.astype(np.float32)))

    def __len__(self) -> int:
        return len(self.clicked)

    def batch(self, rows: Tensor) -> "Inputs":
        return Inputs({name: values[rows] for name, values in self.fields.items()}, self.clicked[rows])


def fit(
    network: nn.Module, training: Inputs, validation: Inputs, config: ClicksConfig, generator: torch.Generator
) -> None:
    """Train until the log loss of the validation part rises; keep the weights of the lowest.

    network: fields -> logits (B,)
    generator: draws the order of the impressions; dropout draws from torch's global one
    Raises TrainingDivergedError.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=config.rate, weight_decay=config.weight_decay)
    batches = _batches(len(training), config.batch, generator)
    steps = math.ceil(len(training) / config.batch / CHECKS)
    lowest, weights, waited = math.inf, copy.deepcopy(network.state_dict()), 0
    for check in range(CHECKS * config.epochs):
        network.train()
        for rows in islice(batches, steps):
            batch = training.batch(rows)
            loss = functional.binary_cross_entropy_with_logits(network(batch.fields), batch.clicked)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        measured = functional.binary_cross_entropy_with_logits(logits(network, validation), validation.clicked).item()
        logger.debug("%.1f epochs: log loss %.4f of the validation part", (check + 1) / CHECKS, measured)
        if measured < lowest:
            lowest, weights, waited = measured, copy.deepcopy(network.state_dict()), 0
        else:
            waited += 1
        if waited == CHECKS * config.patience:
            break
    if not math.isfinite(lowest):
        raise TrainingDivergedError(
            "training diverged: no log loss of the validation part is finite", "lower `rate` in --config"
        )
    network.load_state_dict(weights)


def _batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield rows of about `size` impressions, each row once an epoch, without end.

    The batches of an epoch have about equal sizes: a last one of a single row would have no variance, which batch
    normalisation needs.
    """
    while True:
        yield from torch.randperm(count, generator=generator).tensor_split(math.ceil(count / size))


def logits(network: nn.Module, inputs: Inputs) -> Tensor:
    """Return logits (n,) without dropout."""
    network.eval()
    with torch.inference_mode():
        parts = torch.arange(len(inputs)).tensor_split(math.ceil(len(inputs) / AT_ONCE))
        return torch.cat([network(inputs.batch(rows).fields) for rows in parts])


def probabilities(network: nn.Module, inputs: Inputs) -> NDArray[np.float32]:
    """Return the probability of a click (n,)."""
    return np.asarray(logits(network, inputs).sigmoid().numpy(), np.float32)
