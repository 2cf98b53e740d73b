"""Training loop helpers: batches, learning rate schedule, weight averaging, checkpoints."""

import copy
import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tagging.errors import InvalidConfigError
from tagging.features.resnet import SmallResNet
from tagging.files.atomic import atomic_file

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Learner:
    """A network in training and the running average of its weights, which is exported (Polyak 1992)."""

    model: SmallResNet
    average: SmallResNet
    optimizer: torch.optim.Optimizer


def build_learner(model: SmallResNet, learning_rate: float, weight_decay: float) -> Learner:
    """Return a learner with AdamW; weight decay applies to matrices and filters, not to biases and norms."""
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # its stubs lack it
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=learning_rate, fused=True)
    return Learner(model, copy.deepcopy(model).requires_grad_(False), optimizer)


def batches(count: int, batch: int, first: int, steps: int, seed: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield (step, rows): every crop once per epoch, reshuffled each epoch; the same batches after a restart.

    Raises InvalidConfigError if the crops do not fill one batch.
    """
    per_epoch = count // batch
    if not per_epoch:
        raise InvalidConfigError(
            f"{count} crops do not fill a batch of {batch}", "use a --data folder with more examples"
        )
    order, epoch = np.zeros(0, np.int64), -1
    for step in range(first, steps):
        if step // per_epoch != epoch:
            epoch = step // per_epoch
            order = np.random.default_rng([seed, 2, epoch]).permutation(count)
        start = (step % per_epoch) * batch
        yield step, np.sort(order[start : start + batch])


def cosine(done: float, warm_up: float) -> float:
    """Return the learning rate as a share of its maximum, after the share `done` of the steps."""
    return done / warm_up if done < warm_up else 0.5 + 0.5 * math.cos(math.pi * (done - warm_up) / (1 - warm_up))


def reduced(device: str) -> torch.autocast:
    """Autocast to bfloat16 if it is faster here; sums and weights stay float32 (Micikevicius et al. 2018)."""
    can = torch.cpu.get_capabilities()
    is_faster = device != "cpu" or can.get("avx512_bf16", False) or can.get("amx_bf16", False)
    return torch.autocast(device, torch.bfloat16, enabled=is_faster)


def update_average(learner: Learner, keep: float) -> None:
    """Move the average towards the model by 1 - keep."""
    with torch.no_grad():
        torch._foreach_lerp_(list(learner.average.parameters()), list(learner.model.parameters()), 1 - keep)
        for mean, now in zip(learner.average.buffers(), learner.model.buffers(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - keep)
            else:
                mean.copy_(now)


def log_losses(step: int, measured: Mapping[str, float]) -> None:
    logger.info("step %d: %s", step, ", ".join(f"{name} {value:.3f}" for name, value in measured.items()))


def save(file: Path, step: int, learner: Learner, config: str) -> None:
    state = {
        "step": step,
        "config": config,
        "model": learner.model.state_dict(),
        "average": learner.average.state_dict(),
        "optimizer": learner.optimizer.state_dict(),
    }
    with atomic_file(file) as partial:
        torch.save(state, partial)


def restore(file: Path, learner: Learner, config: str) -> int:
    """Load the checkpoint and return its next step; 0 if there is none of this configuration."""
    if not file.exists():
        return 0
    state = torch.load(file, weights_only=True)
    if state["config"] != config:
        return 0
    learner.model.load_state_dict(state["model"])
    learner.average.load_state_dict(state["average"])
    learner.optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
