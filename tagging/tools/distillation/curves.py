"""Learning curves of the vision encoder: the same training with fewer pictures or a smaller network.

Every training sees its crops equally often, so a training with fewer pictures has fewer steps; with the same number of
steps it would memorise its few pictures. A part of the pictures is chosen by the hash of their names, so a smaller part
is a subset of every larger one. A mixed crop belongs to a part if both of its pictures do.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tagging.features.resnet import WIDTHS
from tagging.progress import Progress
from tagging.tools.distillation import vision
from tagging.tools.distillation.picture_crops import Crops
from tagging.tools.distillation.pictures import Picture, hashed_share

PARTS = (0.25, 0.5, 1.0)  # shares of the pictures
HALF = (16, 32, 64, 128)  # widths


def curves(
    data: vision.VisionData, config: vision.VisionTraining, work: Path, device: str, progress: Progress
) -> list[dict[str, str | float]]:
    """Return a row per training: its size, and the top-5 accuracy on held-out pictures by source."""
    held_out = vision.HeldOutPictures.of(data.pictures, data.classes)
    rows: list[dict[str, str | float]] = []
    for part, widths in [*((part, WIDTHS) for part in PARTS), (1.0, HALF)]:
        selected = of_part(data.crops, data.pictures, part)
        count = len(selected.first)
        settings = replace(config, widths=widths)
        folder = work / f"curves-{part:g}-{widths[0]}"
        folder.mkdir(parents=True, exist_ok=True)
        network = vision.train(replace(data, crops=selected), settings, folder, device, progress)
        size = sum(parameter.numel() for parameter in network.parameters())
        accuracy = {name: round(value, 3) for name, value in held_out.accuracy(network, device).items()}
        steps = int(settings.epochs * count / settings.batch)
        rows.append({"pictures": part, "crops": count, "parameters": size, "steps": steps, **accuracy})
    return rows


def of_part(crops: Crops, pictures: Sequence[Picture], part: float) -> Crops:
    """Return the crops of a part of the pictures."""
    if part == 1.0:
        return crops
    chosen = np.array([hashed_share(f"part/{p.source}/{p.name}") < part for p in pictures])
    rows: NDArray[np.int64] = np.flatnonzero(chosen[crops.first] & chosen[crops.second])
    return Crops(**{name: getattr(crops, name)[rows] for name in Crops.__slots__})
