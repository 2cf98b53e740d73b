"""Training of the vision encoder by distillation: probabilities and features of the teacher, and labels.

    loss = CE(beliefs, target) + |token - pooled|² + |map - maps|²

target: the probabilities of the teacher, mixed with the labels of the picture (Hinton et al. 2015); pooled, maps: the
features of the teacher for the whole crop and for each field of it (Romero et al. 2015, FitNets), in the basis of
`picture_crops`. The first part of the steps uses smaller pictures, which is cheaper at no loss of accuracy.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tagging.features.resnet import WIDTHS, SmallResNet
from tagging.features.trained import FRAME_DIM, SIDE, normalised_pixels, whole
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
from tagging.tools.distillation.picture_crops import CELLS, DIM, Crops
from tagging.tools.distillation.pictures import Picture

# Weight of the label of a picture against the teacher; higher if the teacher lacks the class.
_TRUST = {"imagenet_sample": 0.5, "tiny_imagenet": 0.5, "cifar100": 0.8, "clothing": 0.8, "rooms": 0.5}
_TRUST_THUMBNAIL = 0.7


@dataclass(frozen=True, slots=True)
class VisionTraining:
    epochs: float = 9.0
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warm_up: float = 0.03  # share of the steps
    small_side: int = 72  # side of the pictures in the first steps, in pixels
    small_share: float = 0.6  # share of the steps with small pictures
    side: int = 96  # in the other steps; inference at 112 compensates for enlarging crops (FixRes, Touvron et al. 2019)
    widths: tuple[int, ...] = WIDTHS  # channels of the stages of the network
    averaging: float = 0.998  # decay of the average of the weights per step
    checkpoint_every: int = 250
    seed: int = 7


@dataclass(frozen=True, slots=True, eq=False)
class VisionData:
    """Training data of the vision encoder."""

    crops: Crops
    pictures: Sequence[Picture]
    classes: Classes
    thumbnails: Mapping[str, Sequence[str]]  # words by file name, the most central first


def targets_of_pictures(
    pictures: Sequence[Picture], classes: Classes, thumbnails: Mapping[str, Sequence[str]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the labels as rows (pictures, C) that sum to 1 or 0, and their weights (pictures,).

    thumbnails: words by file name, the most central first, which counts double.
    """
    labels = np.zeros((len(pictures), len(classes.names)), np.float32)
    trust = np.zeros(len(pictures), np.float32)
    for row, picture in enumerate(pictures):
        words = thumbnails.get(picture.name, ()) if picture.source == "thumbnails" else ()
        keys = [f"word:{word}" for word in words] or ([label_key(picture)] if picture.label else [])
        for position, key in enumerate(keys):
            labels[row, classes.rows[key]] += 2.0 if position == 0 else 1.0
        if keys:
            labels[row] /= labels[row].sum()
            trust[row] = _TRUST.get(picture.source, _TRUST_THUMBNAIL)
    return labels, trust


def label_key(picture: Picture) -> str:
    """Return the key of the picture's label in `Classes.rows`."""
    is_wordnet = picture.source in {"imagenet_sample", "tiny_imagenet"}
    return f"teacher:{picture.label}" if is_wordnet else f"{picture.source}:{picture.label}"


def train(data: VisionData, config: VisionTraining, work: Path, device: str, progress: Progress) -> SmallResNet:
    """Train the network, resuming from the checkpoint in the work folder if it belongs to the same training."""
    crops, classes = data.crops, data.classes
    checkpoint = work / "checkpoint.pt"
    torch.manual_seed(config.seed)  # for the initial weights; batches have their own generator
    network = SmallResNet(3, FRAME_DIM, len(classes.names), config.widths).to(device)
    learner = build_learner(network, config.learning_rate, config.weight_decay)
    labels, trust = targets_of_pictures(data.pictures, classes, data.thumbnails)
    spread = float(crops.maps[:2000].astype(np.float32).var())
    steps = int(config.epochs * len(crops.first) / config.batch)
    first = restore(checkpoint, learner, repr(config))
    held_out = HeldOutPictures.of(data.pictures, classes)

    learner.model.train()
    with progress.track("training the vision encoder", steps) as advance:
        advance(first)
        for step, rows in batches(len(crops.first), config.batch, first, steps, config.seed):
            for group in learner.optimizer.param_groups:
                group["lr"] = config.learning_rate * cosine(step / steps, config.warm_up)
            inputs, pooled_target, target, maps = (
                part.to(device) for part in _batch(step, rows, steps, crops, labels, trust, config)
            )
            with reduced(device):
                tokens = learner.model(inputs.to(memory_format=torch.channels_last))
            tokens = tokens.float()
            cells = math.isqrt(tokens.shape[1])
            maps = functional.adaptive_avg_pool2d(maps, cells).flatten(2).transpose(1, 2)
            token = tokens.mean(dim=1)
            beliefs = functional.cross_entropy(learner.model.classes(token), target)
            pooled = functional.mse_loss(token, pooled_target)
            dense = functional.mse_loss(tokens, maps) / spread
            learner.optimizer.zero_grad(set_to_none=True)
            (beliefs + pooled + dense).backward()  # type: ignore[no-untyped-call]
            learner.optimizer.step()
            update_average(learner, min(config.averaging, (step + 1) / (step + 10)))
            advance(1)
            if (step + 1) % config.checkpoint_every == 0 or step + 1 == steps:
                save(checkpoint, step + 1, learner, repr(config))
                losses = {"ce": beliefs.item(), "pooled": pooled.item(), "dense": dense.item()}
                log_losses(step + 1, losses | held_out.accuracy(learner.average, device))
    return learner.average.eval()


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutPictures:
    """Labelled pictures outside the training set, for the validation accuracy during training."""

    inputs: NDArray[np.float32]
    rows: NDArray[np.int64]
    sources: NDArray[np.str_]

    @classmethod
    def of(cls, pictures: Sequence[Picture], classes: Classes, at_most: int = 150) -> "HeldOutPictures":
        chosen: list[Picture] = []
        for source in _TRUST:
            chosen += [p for p in pictures if p.held_out and p.source == source][:at_most]
        inputs = normalised_pixels(np.stack([whole(p.pixels(), SIDE) for p in chosen]))
        return cls(inputs, np.array([classes.rows[label_key(p)] for p in chosen]), np.array([p.source for p in chosen]))

    def accuracy(self, model: SmallResNet, device: str) -> dict[str, float]:
        """Return the top-5 accuracy by source."""
        was_training = model.training
        model.eval()
        with torch.inference_mode():
            count = min(5, model.classes.out_features)
            parts = torch.split(torch.from_numpy(self.inputs).to(device), 128)
            best = [model.classes(model(part).mean(dim=1)).topk(count).indices for part in parts]
        model.train(was_training)
        hit = (torch.cat(best).cpu().numpy() == self.rows[:, None]).any(axis=1)
        sources = sorted(set(self.sources.tolist()))
        return {f"top5_{source}": float(hit[self.sources == source].mean()) for source in sources}


def _batch(
    step: int,
    rows: NDArray[np.int64],
    steps: int,
    crops: Crops,
    labels: NDArray[np.float32],
    trust: NDArray[np.float32],
    config: VisionTraining,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return inputs (B, 3, side, side), pooled features (B, D), targets (B, C) and maps (B, D, 4, 4) of a step."""
    side = config.small_side if step < config.small_share * steps else config.side
    pixels = torch.from_numpy(crops.pixels[rows]).permute(0, 3, 1, 2)
    smaller = functional.interpolate(pixels, side, mode="bilinear", antialias=True)
    inputs = torch.from_numpy(normalised_pixels(smaller.permute(0, 2, 3, 1).numpy()))
    maps = torch.from_numpy(crops.maps[rows].astype(np.float32)).transpose(1, 2).reshape(-1, DIM, CELLS, CELLS)
    if step % 2:  # every other batch is mirrored
        inputs, maps = inputs.flip(3), maps.flip(3)
    pooled = torch.from_numpy(crops.pooled[rows].astype(np.float32))
    return inputs, pooled, torch.from_numpy(target_of(crops, rows, labels, trust)), maps


def target_of(
    crops: Crops, rows: NDArray[np.int64], labels: NDArray[np.float32], trust: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return (B, C) targets: the labels of both pictures of a crop by share and weight, the rest from the teacher."""
    first, second, share = crops.first[rows], crops.second[rows], crops.share[rows]
    weight_first, weight_second = share * trust[first], (1 - share) * trust[second]
    target: NDArray[np.float32] = weight_first[:, None] * labels[first] + weight_second[:, None] * labels[second]
    teacher = crops.probabilities[rows].astype(np.float32)
    target[:, : teacher.shape[1]] += (1 - weight_first - weight_second)[:, None] * teacher
    return target
