"""Storage of teacher outputs: shards of crops in a work folder, and the basis of the features."""

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagging.errors import InvalidConfigError
from tagging.files.atomic import atomic_file
from tagging.progress import Progress


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """Half-whitened principal components of a teacher's pooled features."""

    mean: NDArray[np.float32]  # (F,)
    axes: NDArray[np.float32]  # (F, D)

    def of(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Project (..., F) features to (..., D)."""
        return np.asarray((rows - self.mean) @ self.axes, np.float32)


def fit_basis(rows: NDArray[np.float64], dim: int) -> Basis:
    """Fit the basis to (n, F) features; the mean variance of a component is 1."""
    mean = rows.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(rows - mean, rowvar=False))
    top = np.argsort(-values)[:dim]
    axes = vectors[:, top] * values[top] ** -0.25
    axes /= np.sqrt(((rows - mean) @ axes).var(axis=0).mean())
    return Basis(mean.astype(np.float32), axes.astype(np.float32))


def save_basis(work: Path, basis: Basis) -> None:
    save(work / "basis.npz", {"mean": basis.mean, "axes": basis.axes})


def load_basis(work: Path) -> Basis:
    with np.load(work / "basis.npz") as kept:
        return Basis(kept["mean"], kept["axes"])


def claim(work: Path, order: NDArray[np.int32]) -> None:
    """Reserve the folder for this plan of crops. Raises InvalidConfigError if it holds crops of another plan."""
    work.mkdir(parents=True, exist_ok=True)
    plan = work / "plan.npz"
    if not plan.exists():
        if any(work.glob("crops-*.npz")):
            raise InvalidConfigError(f"{work} holds crops without a plan", "choose another --work")
        save(plan, {"order": order})
    with np.load(plan) as kept:
        if not np.array_equal(kept["order"], order):
            raise InvalidConfigError(f"{work} holds crops of other data or another seed", "choose another --work")


def shard(work: Path, start: int, size: int) -> Path:
    return work / f"crops-{start // size:04d}.npz"


@dataclass(frozen=True, slots=True, eq=False)
class Workers:
    """Processes that write shards: each calls `start(*arguments)` once, then `write` with the first row of a shard."""

    processes: int
    start: Callable[..., None]
    arguments: tuple[Any, ...]
    write: Callable[[int], int]  # returns the number of crops written


def write_missing(work: Path, count: int, size: int, workers: Workers, title: str, progress: Progress) -> None:
    """Write the shards of `size` crops that do not exist yet, `count` crops in total."""
    starts = [start for start in range(0, count, size) if not shard(work, start, size).exists()]
    context = multiprocessing.get_context("fork")  # the arguments are inherited, not sent
    with (
        progress.track(title, count) as advance,
        context.Pool(workers.processes, workers.start, workers.arguments) as pool,
    ):
        advance(count - sum(min(size, count - start) for start in starts))
        for written in pool.imap_unordered(workers.write, starts):
            advance(written)


def load(work: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Return the concatenated arrays of all shards."""
    parts = [np.load(path) for path in sorted(work.glob("crops-*.npz"))]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def save(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    with atomic_file(path) as partial, partial.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
