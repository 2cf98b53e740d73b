from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from tagging.config.topics import MmoeConfig
from tagging.errors import NothingToLearnError, TrainingDivergedError
from tagging.progress import Advance, Silent
from tagging.ragged import Ragged
from tagging.topics.content import ContentRows
from tagging.topics.mmoe import Mmoe
from tagging.topics.tasks import Task
from tagging.topics.train import fit_mmoe

VIDEOS = 120


class Totals:
    """Records how many units each piece of work has, and how many were done."""

    def __init__(self) -> None:
        self.totals: list[int | None] = []
        self.done = 0

    @contextmanager
    def track(self, label: str, total: int | None) -> Iterator[Advance]:
        self.totals.append(total)
        yield self._advance

    def _advance(self, units: int) -> None:
        self.done += units


CONFIG = MmoeConfig(experts=3, width=8, epochs=1, least_steps=80, batch=32, rate=1e-2)


def content(missing: float = 0.3) -> ContentRows:
    """Return three classes in turn, shown by either modality; some videos lack one."""
    generator = np.random.default_rng(1)
    present = generator.random((VIDEOS, 2)) > missing
    present[~present.any(axis=1), 0] = True
    numbers = np.arange(VIDEOS) % 3
    values = {
        name: (np.eye(3, dtype=np.float32)[numbers] + 0.1 * generator.standard_normal((VIDEOS, 3)).astype(np.float32))
        * present[:, column, None]
        for column, name in enumerate(("frames", "text"))
    }
    return ContentRows(values, present)


def tasks() -> dict[str, Task]:
    classes = [number % 3 for number in range(VIDEOS)]
    return {
        "category": Task(3, Ragged.of([[number] if row % 4 else [] for row, number in enumerate(classes)])),
        "tags": Task(4, Ragged.of([[number, 3] if row % 5 else [] for row, number in enumerate(classes)])),
    }


def fit(seed: int = 2, rows: ContentRows | None = None) -> Mmoe:
    return fit_mmoe(rows or content(), tasks(), CONFIG, np.random.default_rng(seed), Silent())


def test_classes_are_learnt_from_whatever_modality_there_is() -> None:
    rows = content()
    model = fit(rows=rows)
    logits = model({name: torch.from_numpy(v) for name, v in rows.values.items()}, torch.from_numpy(rows.present))
    right = logits["category"].argmax(dim=1).numpy() == np.arange(VIDEOS) % 3
    assert right.mean() > 0.95
    for column in range(2):
        assert right[~rows.present[:, column]].mean() > 0.9


def test_the_same_generator_gives_the_same_weights_and_leaves_the_global_one_alone() -> None:
    torch.manual_seed(5)
    first = fit()
    drawn = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), drawn)
    for name, weight in fit().state_dict().items():
        assert torch.equal(weight, first.state_dict()[name]), name


def test_without_a_labelled_video_there_is_nothing_to_learn() -> None:
    unlabelled = {"tags": Task(2, Ragged.of([[]] * VIDEOS))}
    for nothing in (unlabelled, {}):
        with pytest.raises(NothingToLearnError):
            fit_mmoe(content(), nothing, CONFIG, np.random.default_rng(1), Silent())


def test_a_training_that_diverges_is_one_error() -> None:
    config = CONFIG.model_copy(update={"rate": 1e30})
    with pytest.raises(TrainingDivergedError, match="at step 80"):
        fit_mmoe(content(), tasks(), config, np.random.default_rng(2), Silent())


@pytest.mark.parametrize(
    ("epochs", "steps"),
    [(1, 4), (3, 6), (9, 7)],  # of 2 steps: at least 4, then the epochs, at most 7
)
def test_steps_grow_with_the_videos_up_to_a_bound(epochs: int, steps: int) -> None:
    bounds = {"epochs": epochs, "least_steps": 4, "most_steps": 7, "batch": 50}
    progress = Totals()
    fit_mmoe(content(), tasks(), CONFIG.model_copy(update=bounds), np.random.default_rng(2), progress)
    assert (progress.totals, progress.done) == ([steps], steps)
