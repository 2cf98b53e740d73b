"""Sound crops and the outputs of the teachers for them, stored in shards: computed once, used in many epochs.

Both teachers get the same crop as the student: mn04 its 2.9 s, YAMNet each of its three examples. A crop that is only
cut, not mixed or resampled, also gets the output of mn04 for the original sound, which had a sample rate above 16 kHz.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tagging.features.log_mel import EXAMPLE_SAMPLES, HOP_SAMPLES, log_mel
from tagging.progress import Progress
from tagging.tools.distillation import shards
from tagging.tools.distillation.sounds import LabelledSound
from tagging.tools.distillation.teachers import Mn04, Yamnet, yamnet_columns
from tagging.types import Sound

EXAMPLES = 3
SAMPLES = (EXAMPLES - 1) * HOP_SAMPLES + EXAMPLE_SAMPLES
DIM = 128  # width of the stored teacher features
SHARD = 512
CROPS = {"sounds": 9, "clips": 20}
_MIXED, _BENT, _NOISY, _ORIGINAL = 0.5, 0.3, 0.2, 0.5
_YAMNET = 0.4  # its weight against mn04, for classes that it knows


@dataclass(frozen=True, slots=True, eq=False)
class SoundCrops:
    """n crops with the outputs of the teachers."""

    mel: NDArray[np.float16]  # (n, 3, 96, 64) log-mel examples
    probabilities: NDArray[np.float16]  # (n, 3, 527) independent, per example
    pooled: NDArray[np.float16]  # (n, 128) features of mn04 in the basis
    first: NDArray[np.int32]  # (n,) number of the sound
    second: NDArray[np.int32]  # (n,) number of the sound mixed in; that of `first` if none is
    share: NDArray[np.float32]  # (n,) share of the first in the energy


def plan(sounds: Sequence[LabelledSound], rng: np.random.Generator) -> NDArray[np.int32]:
    """Return the (n,) sound of each crop, shuffled; held-out sounds have no crops."""
    numbers = [n for n, sound in enumerate(sounds) if not sound.held_out for _ in range(CROPS[sound.source])]
    return rng.permutation(np.array(numbers, np.int32))


def extract(
    sounds: Sequence[LabelledSound], data: Path, work: Path, seed: int, processes: int, progress: Progress
) -> None:
    """Write the missing shards, after the basis."""
    order = plan(sounds, np.random.default_rng([seed, 0]))
    shards.claim(work, order)
    if not (work / "basis.npz").exists():
        _write_basis(sounds, work)
    teachers = data / "encoders" / "teachers"
    workers = shards.Workers(processes, _start, (sounds, order, teachers, seed, work), _write_shard)
    shards.write_missing(work, len(order), SHARD, workers, "run the teachers", progress)


def load(work: Path) -> SoundCrops:
    return SoundCrops(**shards.load(work, SoundCrops.__slots__))


def crop(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a (46320,) crop of (n,) samples; a short sound is placed in silence or repeated."""
    spare = len(samples) - SAMPLES
    if spare >= 0:
        start = int(rng.integers(spare + 1))
        return samples[start : start + SAMPLES]
    if rng.random() < 0.5:
        repeats = -(-SAMPLES // max(1, len(samples)))
        return np.tile(samples, repeats)[:SAMPLES]
    out = np.zeros(SAMPLES, np.float32)
    start = int(rng.integers(min(-spare, HOP_SAMPLES) + 1))  # in the first example, to which its label applies
    out[start : start + len(samples)] = samples
    return out


def bend(samples: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Resample to a speed changed by up to a tenth, which also shifts the pitch."""
    positions = np.arange(int(len(samples) / (speed := rng.uniform(0.9, 1.1)))) * speed
    bent: NDArray[np.float32] = np.interp(positions, np.arange(len(samples)), samples).astype(np.float32)
    return bent


def mix(
    first: NDArray[np.float32], second: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.float32], float]:
    """Return the sum of both, the first up to 10 dB louder, and the share of the first in the energy."""
    louder = 10 ** (rng.uniform(0.0, 10.0) / 20)
    level_first, level_second = (float(np.sqrt(np.mean(x**2))) + 1e-6 for x in (first, second))
    mixed = first + second * np.float32(level_first / level_second / louder)
    return mixed, louder**2 / (1 + louder**2)


def _write_basis(sounds: Sequence[LabelledSound], work: Path) -> None:
    rows = np.stack([s.features for s in sounds if s.features is not None and not s.held_out]).astype(np.float64)
    shards.save_basis(work, shards.fit_basis(rows, DIM))


class _CropMaker:
    """Draws crops by their number and runs the teachers on them."""

    def __init__(self, sounds: Sequence[LabelledSound], order: NDArray[np.int32], teachers: Path, seed: int) -> None:
        self.order = order
        self._sounds = sounds
        self._seed = seed
        self._mn04 = Mn04(teachers)
        self._yamnet = Yamnet(teachers)
        self._yamnet_from, self._yamnet_to = yamnet_columns(teachers)

    def draw(self, index: int) -> tuple[NDArray[np.float32], int, float, bool]:
        """Return samples, the second sound, the share of the first, and whether the sound is only cut."""
        rng = np.random.default_rng([self._seed, 1, index])
        number = int(self.order[index])
        samples = self._sounds[number].samples
        if is_bent := rng.random() < _BENT:
            samples = bend(samples, rng)
        out, other, share = crop(samples, rng), number, 1.0
        if is_mixed := rng.random() < _MIXED:
            other = int(self.order[rng.integers(len(self.order))])
            out, share = mix(out, crop(self._sounds[other].samples, rng), rng)
        if rng.random() < _NOISY:
            level = float(np.sqrt(np.mean(out**2))) * 10 ** (-rng.uniform(10, 30) / 20)
            out = out + rng.normal(0, level + 1e-7, len(out)).astype(np.float32)
        out = out * np.float32(10 ** (rng.uniform(-12, 6) / 20))
        peak = float(np.abs(out).max())
        return (out / max(1.0, peak)).astype(np.float32), other, share, not (is_bent or is_mixed)

    def predict(
        self, samples: NDArray[np.float32], plain: LabelledSound | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return probabilities (3, 527) and features of mn04 (384,); plain: the original sound of an unaltered crop."""
        of_mn04, features = self._mn04.predict(samples)
        if plain is not None and plain.probabilities is not None and plain.features is not None:
            of_mn04 = (1 - _ORIGINAL) * of_mn04 + _ORIGINAL * plain.probabilities
            features = (1 - _ORIGINAL) * features + _ORIGINAL * plain.features
        probabilities = np.tile(of_mn04, (EXAMPLES, 1))
        for row, start in zip(probabilities, range(0, SAMPLES, HOP_SAMPLES), strict=False):
            of_yamnet = self._yamnet.predict(samples[start : start + EXAMPLE_SAMPLES])[0][self._yamnet_from]
            row[self._yamnet_to] = (1 - _YAMNET) * row[self._yamnet_to] + _YAMNET * of_yamnet
        return probabilities, features

    def plain(self, index: int) -> LabelledSound:
        return self._sounds[int(self.order[index])]


_worker: tuple[_CropMaker, shards.Basis, Path]  # state of this process


def _start(sounds: Sequence[LabelledSound], order: NDArray[np.int32], teachers: Path, seed: int, work: Path) -> None:
    global _worker  # noqa: PLW0603  the only way to hand a pool worker its state
    threadpool_limits(1)  # parallelism is by processes; matrices of this size are faster without threads
    _worker = (_CropMaker(sounds, order, teachers, seed), shards.load_basis(work), work)


def _write_shard(start: int) -> int:
    maker, basis, work = _worker
    numbers = maker.order[start : start + SHARD]
    n = len(numbers)
    out = SoundCrops(
        np.empty((n, EXAMPLES, 96, 64), np.float16),
        np.empty((n, EXAMPLES, Mn04.classes), np.float16),
        np.empty((n, DIM), np.float16),
        numbers,
        np.empty(n, np.int32),
        np.empty(n, np.float32),
    )
    for row in range(n):
        samples, out.second[row], out.share[row], is_plain = maker.draw(start + row)
        probabilities, features = maker.predict(samples, maker.plain(start + row) if is_plain else None)
        out.mel[row] = log_mel(Sound(samples))
        out.probabilities[row] = probabilities
        out.pooled[row] = basis.of(features)
    shards.save(shards.shard(work, start, SHARD), {name: getattr(out, name) for name in SoundCrops.__slots__})
    return n
