"""Tasks of the mixture of experts: the classes of each video from coarse to fine (category, subcategory, tags)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.ragged import Ragged, starts_of

TAGS = "tags"


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """The classes of V videos; a video has none where its label is missing."""

    classes: int
    labels: Ragged  # V lists of classes


def task_of_names(names: Sequence[str]) -> Task:
    """Return the task with a class for each distinct name of the V videos; "" is a missing label."""
    row_of = {name: row for row, name in enumerate(sorted({name for name in names if name}))}
    return Task(len(row_of), Ragged.of([[row_of[name]] if name else [] for name in names]))


def task_of_tags(tags: Ragged, counts: NDArray[np.int64], most: int, least_videos: int) -> Task:
    """Return the task whose classes are the `most` most used tags, each on `least_videos` videos or more.

    counts: (N,) videos of each tag, falling, as a catalog has them
    """
    classes = min(most, int((counts >= least_videos).sum()))
    is_class = tags.values < classes
    return Task(classes, Ragged(starts_of(is_class)[tags.starts], tags.values[is_class]))


def tasks_of(categories: Sequence[str], subcategories: Sequence[str], tags: Task) -> dict[str, Task]:
    """Return the tasks that have at least two classes, from coarse to fine."""
    every = {
        "category": task_of_names(categories),
        # Platforms repeat names ("other") below several categories.
        "subcategory": task_of_names(
            [f"{category}\n{name}" if name else "" for category, name in zip(categories, subcategories, strict=True)]
        ),
        TAGS: tags,
    }
    return {name: task for name, task in every.items() if task.classes > 1}


def shares_of(names: Sequence[str]) -> dict[str, float]:
    """Return the share of each name that is not "", the most frequent first."""
    counts = Counter(name for name in names if name)
    total = sum(counts.values())
    return {name: count / total for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))}
