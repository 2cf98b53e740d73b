"""Picture crops and the outputs of the teacher for them, stored in shards: computed once, used in many epochs.

The teacher gets the same crop as the student, twice as large (Beyer et al. 2022, "A good teacher is patient and
consistent"). Every crop is drawn from its own generator, seeded by its number, so the shards do not depend on the
number of processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from threadpoolctl import threadpool_limits

from tagging.progress import Progress
from tagging.tools.distillation import shards
from tagging.tools.distillation.pictures import Picture
from tagging.tools.distillation.teachers import CLASSES, SIDE, MobileNet

STUDENT_SIDE = SIDE // 2
CELLS = 4  # the last feature map of the student is 4 x 4
DIM = 256  # width of the stored teacher features
SHARD = 1024
BASIS_CROPS = 3000
# Crops per picture; fewer for sources with many pictures or with little detail.
CROPS = {
    "imagenet_sample": 40,
    "tiny_imagenet": 9,
    "cifar100": 8,
    "clothing": 24,
    "rooms": 24,
    "thumbnails": 18,
    "clips": 24,
}
_WHOLE, _MIXED = 0.25, 0.5  # shares of crops that show the whole picture, and that mix two pictures
_MEANS = np.float32(0.5)


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """n crops with the outputs of the teacher."""

    pixels: NDArray[np.uint8]  # (n, 112, 112, 3)
    probabilities: NDArray[np.float16]  # (n, 1000)
    pooled: NDArray[np.float16]  # (n, 256) features of the teacher in the basis
    maps: NDArray[np.float16]  # (n, 16, 256) the same per field of the picture, row by row
    first: NDArray[np.int32]  # (n,) number of the picture
    second: NDArray[np.int32]  # (n,) number of the picture mixed in; that of `first` if none is
    share: NDArray[np.float32]  # (n,) share of the first


def plan(pictures: Sequence[Picture], rng: np.random.Generator) -> NDArray[np.int32]:
    """Return the (n,) picture of each crop, shuffled; held-out pictures have no crops."""
    numbers = [n for n, picture in enumerate(pictures) if not picture.held_out for _ in range(CROPS[picture.source])]
    return rng.permutation(np.array(numbers, np.int32))


def extract(pictures: Sequence[Picture], data: Path, work: Path, seed: int, processes: int, progress: Progress) -> None:
    """Write the missing shards, after the basis."""
    order = plan(pictures, np.random.default_rng([seed, 0]))
    shards.claim(work, order)
    teachers = data / "encoders" / "teachers"
    if not (work / "basis.npz").exists():
        _write_basis(_CropMaker(pictures, order, teachers, seed), work)
    workers = shards.Workers(processes, _start, (pictures, order, teachers, seed, work), _write_shard)
    shards.write_missing(work, len(order), SHARD, workers, "run the teacher", progress)


def load(work: Path) -> Crops:
    return Crops(**shards.load(work, Crops.__slots__))


def crop(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a (224, 224, 3) random crop of an (H, W, 3) picture, with random mirroring, light and colours."""
    height, width = pixels.shape[:2]
    box: tuple[float, float, float, float] = (0.0, 0.0, float(width), float(height))
    if rng.random() >= _WHOLE:
        area, aspect = rng.uniform(0.2, 1.0), np.exp(rng.uniform(np.log(0.75), np.log(1.8)))
        across = min(float(width), float(np.sqrt(area * height * width * aspect)))
        down = min(float(height), float(np.sqrt(area * height * width / aspect)))
        left, top = rng.uniform(0, width - across), rng.uniform(0, height - down)
        box = (left, top, left + across, top + down)
    image = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
    out = np.asarray(image, np.float32) / 255
    if rng.random() < 0.5:
        out = out[:, ::-1]
    if rng.random() < 0.6:
        out = (out - _MEANS) * rng.uniform(0.6, 1.4) + _MEANS + rng.uniform(-0.15, 0.15)  # contrast, light
        grey = (out[..., :1] + out[..., 1:2] + out[..., 2:]) / 3
        out = grey + (out - grey) * rng.uniform(0.4, 1.4)  # saturation
        out = out * rng.uniform(0.9, 1.1, 3).astype(np.float32)  # white balance
    if rng.random() < 0.1:
        out = out + rng.normal(0, 0.04, out.shape).astype(np.float32)
    drawn: NDArray[np.uint8] = (out.clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return drawn


def mix(
    first: NDArray[np.uint8], second: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], float]:
    """Combine two crops by mixup (Zhang et al. 2018) or CutMix (Yun et al. 2019); return the share of the first too."""
    share = float(rng.uniform(0.5, 0.9))
    if rng.random() < 0.5:
        return (share * first.astype(np.float32) + (1 - share) * second + 0.5).astype(np.uint8), share
    side = int(SIDE * np.sqrt(1 - share))
    top, left = rng.integers(0, SIDE - side + 1, 2)
    out = first.copy()
    out[top : top + side, left : left + side] = second[top : top + side, left : left + side]
    return out, 1 - (side / SIDE) ** 2


def halved(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (112, 112, 3) pixels, each the mean of four of (224, 224, 3)."""
    wide = picture.astype(np.uint16)
    rows = wide[0::2] + wide[1::2]
    small: NDArray[np.uint8] = ((rows[:, 0::2] + rows[:, 1::2] + 2) // 4).astype(np.uint8)
    return small


def cells(feature_map: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (16, D) means of (7, 7, D) over 4 x 4 overlapping fields, as in adaptive average pooling."""
    edges = [(i * 7 // CELLS, -(-(i + 1) * 7 // CELLS)) for i in range(CELLS)]
    return np.stack([feature_map[top:end, left:right].mean(axis=(0, 1)) for top, end in edges for left, right in edges])


class _CropMaker:
    """Draws crops by their number and runs the teacher on them."""

    def __init__(self, pictures: Sequence[Picture], order: NDArray[np.int32], teachers: Path, seed: int) -> None:
        self.order = order
        self.teacher = MobileNet(teachers)
        self._pictures = pictures
        self._seed = seed

    def draw(self, index: int) -> tuple[NDArray[np.uint8], int, float]:
        rng = np.random.default_rng([self._seed, 1, index])
        number = int(self.order[index])
        picture = crop(self._pictures[number].pixels(), rng)
        if rng.random() >= _MIXED:
            return picture, number, 1.0
        other = int(self.order[rng.integers(len(self.order))])
        mixed, share = mix(picture, crop(self._pictures[other].pixels(), rng), rng)
        return mixed, other, share


def _write_basis(maker: _CropMaker, work: Path) -> None:
    count = min(BASIS_CROPS, len(maker.order))
    rows = np.stack([maker.teacher.predict(maker.draw(index)[0])[1] for index in range(count)]).astype(np.float64)
    shards.save_basis(work, shards.fit_basis(rows, DIM))


_worker: tuple[_CropMaker, shards.Basis, Path]  # state of this process


def _start(pictures: Sequence[Picture], order: NDArray[np.int32], teachers: Path, seed: int, work: Path) -> None:
    global _worker  # noqa: PLW0603  the only way to hand a pool worker its state
    threadpool_limits(1)  # parallelism is by processes; matrices of this size are faster without threads
    _worker = (_CropMaker(pictures, order, teachers, seed), shards.load_basis(work), work)


def _write_shard(start: int) -> int:
    maker, basis, work = _worker
    numbers = maker.order[start : start + SHARD]
    n = len(numbers)
    out = Crops(
        np.empty((n, STUDENT_SIDE, STUDENT_SIDE, 3), np.uint8),
        np.empty((n, CLASSES), np.float16),
        np.empty((n, DIM), np.float16),
        np.empty((n, CELLS**2, DIM), np.float16),
        numbers,
        np.empty(n, np.int32),
        np.empty(n, np.float32),
    )
    for row in range(n):
        picture, out.second[row], out.share[row] = maker.draw(start + row)
        probabilities, pooled, feature_map = maker.teacher.predict(picture)
        out.pixels[row], out.probabilities[row] = halved(picture), probabilities
        out.pooled[row] = basis.of(pooled)
        out.maps[row] = basis.of(cells(feature_map))
    shards.save(shards.shard(work, start, SHARD), {name: getattr(out, name) for name in Crops.__slots__})
    return n
