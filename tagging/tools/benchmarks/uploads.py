"""Benchmark of the recommendation service: the exact search of new uploads against the user tower, in one process.

Vectors are random: neither time depends on their values. Figures are processor time on one thread.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

import numpy as np
import torch

from tagging.bench.timing import Work, in_turn
from tagging.config.recommendation import TwoTowersConfig
from tagging.progress import Progress
from tagging.recommendation.service.uploads import Uploads
from tagging.recommendation.two_towers.towers import UserTower
from tagging.store.database.video_vectors import VectorPage
from tagging.types import FloatRows

SEED = 7
PAGE = 5000
ANSWER = 100  # videos
REPEATS = 21
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def uploads_benchmark(counts: Sequence[int], progress: Progress) -> list[dict[str, Any]]:
    """Return a row for each number of uploads: processor time of a search, of the user tower, and their ratio."""
    config, generator = TwoTowersConfig(), np.random.default_rng(SEED)
    tower = UserTower(config.width, config.heads, config.history, config.dropout).eval().requires_grad_(False)
    history = torch.from_numpy(_unit_rows(config.history, config.width, generator))
    mask = torch.ones((1, config.history), dtype=torch.bool)
    user = _unit_rows(1, config.width, generator)[0]
    torch.set_num_threads(1)

    def measured(count: int) -> dict[str, Any]:
        now = _filled(count, config.width, generator).now
        sides: dict[str, Work] = {
            "search": lambda _: now.nearest(user, NOW, range(min(config.history, count)), ANSWER),
            "user tower": lambda _: tower(history, mask),
        }
        with progress.track(f"search {count:,} uploads", REPEATS * len(sides)) as advance:
            spent = in_turn(sides, REPEATS, advance)
        search_s, tower_s = (median(found.cpu_s for found in spent[side]) for side in sides)
        return {
            "uploads": count,
            "search ms": 1000 * search_s,
            "user tower ms": 1000 * tower_s,
            "search / user tower": search_s / tower_s,
            "vectors MiB": (now.vectors.nbytes + now.added_s.nbytes) / 2**20,
        }

    return [measured(count) for count in counts]


def _filled(count: int, width: int, generator: np.random.Generator) -> Uploads:
    uploads = Uploads(width)
    for start in range(0, count, PAGE):
        size = min(PAGE, count - start)
        video_ids = tuple(f"v{number}" for number in range(start, start + size))
        uploads.put(VectorPage(video_ids, _unit_rows(size, width, generator), (NOW,) * size, start + size))
    return uploads


def _unit_rows(count: int, width: int, generator: np.random.Generator) -> FloatRows:
    rows = generator.standard_normal((count, width), dtype=np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
