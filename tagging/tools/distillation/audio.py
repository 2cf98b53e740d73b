"""Training of the audio encoder by distillation: probabilities of the teachers, features of mn04, and labels.

    loss = BCE(beliefs, target) + |mean of the tokens - pooled|²

target: for each example the independent probabilities of the teachers, raised to those of a label where that is higher;
pooled: features of mn04 for the whole crop, in the basis of `sound_crops`. Bands and time spans of the log-mel are
masked (SpecAugment, Park et al. 2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tagging.features.resnet import SmallResNet
from tagging.features.trained import MEL_MEAN, SOUND_DIM, normalised_mel
from tagging.progress import Progress
from tagging.tools.distillation.classes import Classes
from tagging.tools.distillation.loop import (
    batches,
    build_learner,
    cosine,
    log_losses,
    reduced,
    restore,
    save,
    update_average,
)
from tagging.tools.distillation.sound_crops import EXAMPLES, SoundCrops
from tagging.tools.distillation.sounds import LabelledSound

_TRUST = 0.8  # weight of a label; some are unverified file names


@dataclass(frozen=True, slots=True)
class AudioTraining:
    epochs: float = 4.0
    batch: int = 32  # crops of three examples each
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warm_up: float = 0.03  # share of the steps
    beliefs_weight: float = 20.0  # of the first loss, a mean over hundreds of classes, most of them absent
    blank_bands: int = 12  # most masked bands of 64
    blank_steps: int = 20  # most masked time steps of 96
    averaging: float = 0.998  # decay of the average of the weights per step
    checkpoint_every: int = 250
    seed: int = 7


def targets_of_sounds(sounds: Sequence[LabelledSound], classes: Classes) -> NDArray[np.float32]:
    """Return (sounds, C) probabilities that the labels imply; 0 for classes that a label does not imply."""
    targets = np.zeros((len(sounds), len(classes.names)), np.float32)
    for row, sound in enumerate(sounds):
        if sound.label:
            targets[row, list(classes.implied[f"sounds:{sound.label}"])] = _TRUST
    return targets


def train(
    crops: SoundCrops,
    sounds: Sequence[LabelledSound],
    classes: Classes,
    config: AudioTraining,
    work: Path,
    device: str,
    progress: Progress,
) -> SmallResNet:
    """Train the network, resuming from the checkpoint in the work folder if it belongs to the same training."""
    checkpoint = work / "checkpoint.pt"
    torch.manual_seed(config.seed)  # for the initial weights; batches and masks have their own generators
    network = SmallResNet(1, SOUND_DIM, len(classes.names)).to(device)
    learner = build_learner(network, config.learning_rate, config.weight_decay)
    labels = targets_of_sounds(sounds, classes)
    steps = int(config.epochs * len(crops.first) / config.batch)
    first = restore(checkpoint, learner, repr(config))

    learner.model.train()
    with progress.track("training the audio encoder", steps) as advance:
        advance(first)
        for step, rows in batches(len(crops.first), config.batch, first, steps, config.seed):
            for group in learner.optimizer.param_groups:
                group["lr"] = config.learning_rate * cosine(step / steps, config.warm_up)
            inputs, pooled_target, target = (part.to(device) for part in _batch(step, rows, crops, labels, config))
            with reduced(device):
                tokens = learner.model(inputs.to(memory_format=torch.channels_last))
            tokens = tokens.float().mean(dim=1)
            beliefs = functional.binary_cross_entropy_with_logits(learner.model.classes(tokens), target)
            of_crops = tokens.reshape(len(rows), EXAMPLES, -1).mean(dim=1)
            pooled = functional.mse_loss(of_crops, pooled_target)
            learner.optimizer.zero_grad(set_to_none=True)
            (config.beliefs_weight * beliefs + pooled).backward()  # type: ignore[no-untyped-call]
            learner.optimizer.step()
            update_average(learner, min(config.averaging, (step + 1) / (step + 10)))
            advance(1)
            if (step + 1) % config.checkpoint_every == 0 or step + 1 == steps:
                save(checkpoint, step + 1, learner, repr(config))
                log_losses(step + 1, {"bce": beliefs.item(), "pooled": pooled.item()})
    return learner.average.eval()


def _batch(
    step: int, rows: NDArray[np.int64], crops: SoundCrops, labels: NDArray[np.float32], config: AudioTraining
) -> tuple[Tensor, Tensor, Tensor]:
    """Return inputs (B * 3, 1, 96, 64), pooled features (B, D) and targets (B * 3, C) of a step."""
    mel = crops.mel[rows].astype(np.float32).reshape(-1, *crops.mel.shape[2:])
    blank(mel, config, np.random.default_rng([config.seed, 3, step]))
    pooled = torch.from_numpy(crops.pooled[rows].astype(np.float32))
    return normalised_mel(torch.from_numpy(mel)), pooled, torch.from_numpy(target_of(crops, rows, labels))


def blank(mel: NDArray[np.float32], config: AudioTraining, rng: np.random.Generator) -> None:
    """Set one band and one time span of each (96, 64) example to the mean level, each with probability 0.5."""
    for example in mel:
        if rng.random() < 0.5:
            width = int(rng.integers(1, config.blank_bands + 1))
            low = int(rng.integers(0, example.shape[1] - width + 1))
            example[:, low : low + width] = MEL_MEAN
        if rng.random() < 0.5:
            length = int(rng.integers(1, config.blank_steps + 1))
            start = int(rng.integers(0, example.shape[0] - length + 1))
            example[start : start + length] = MEL_MEAN


def target_of(crops: SoundCrops, rows: NDArray[np.int64], labels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (B * 3, C) targets; the label of a mixed-in sound is reduced by its share of the energy."""
    first, second, share = crops.first[rows], crops.second[rows], crops.share[rows]
    is_mixed = (second != first)[:, None]
    faint = np.minimum(1.0, 2 * (1 - share))[:, None]
    of_labels = np.maximum(labels[first], np.where(is_mixed, faint * labels[second], 0))
    target = np.repeat(of_labels, EXAMPLES, axis=0)
    teacher = crops.probabilities[rows].astype(np.float32).reshape(len(target), -1)
    target[:, : teacher.shape[1]] = np.maximum(target[:, : teacher.shape[1]], teacher)
    return target
