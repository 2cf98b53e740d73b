"""Made-up videos of four topics, by several uploaders, in two scripts: small enough to learn in a second."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recall.neighbours.table import LabelledTable
from tagging.config.recall import NgramConfig, RecallModelConfig
from tagging.ragged import Ragged
from tagging.types import VideoEmbeddings

WORDS = {
    "cats": ["kitten", "purring", "whiskers", "meow", "кошка"],
    "cars": ["engine", "gearbox", "wheels", "racing", "машина"],
    "food": ["recipe", "oven", "pasta", "sauce", "рецепт"],
    "music": ["guitar", "chords", "singing", "melody", "песня"],
}
LEARNT = RecallModelConfig(
    ngrams=NgramConfig(least=1),
    width=16,
    epochs=30,
    least_steps=1,
    batch=32,
    negatives=8,
    likened=32,
    rate=3e-3,
    table_rate=0.1,
)

NAMES = (*WORDS, "channel 0", "channel 1", "kitten recipe")  # the last is on no video


@dataclass(frozen=True, slots=True, eq=False)
class Topics:
    videos: list[VideoEmbeddings]
    tags: Ragged
    uploaders: NDArray[np.int64]
    topics: list[str]


def topics(count: int, seed: int, frames: bool = False) -> Topics:
    """Each title has three words of its topic; each video the topic as a tag, and its uploader's own tag."""
    generator = np.random.default_rng(seed)
    videos, rows, uploaders, chosen = [], [], [], []
    for number in range(count):
        topic = list(WORDS)[number % 4]
        uploader = int(generator.integers(0, 8))
        title = " ".join([*generator.choice(WORDS[topic], 3, replace=False), f"part{number % 7}"])
        looks = np.eye(8, dtype=np.float32)[number % 4] + 0.1 * generator.standard_normal(8).astype(np.float32)
        seen = {"frames": (looks / np.linalg.norm(looks)).astype(np.float32)} if frames and number % 3 else {}
        videos.append(VideoEmbeddings(seen, title=title))
        rows.append([number % 4, *([4 + uploader] if uploader < 2 else [])])
        uploaders.append(uploader)
        chosen.append(topic)
    return Topics(videos, lists(rows), np.array(uploaders), chosen)


def voters(tags: Ragged, uploaders: Sequence[int]) -> LabelledTable:
    """Return a table of labelled videos v0, v1, … by the given uploaders u0, u1, …"""
    names = [f"v{row}" for row in range(len(tags))]
    return LabelledTable(names, names, [f"u{uploader}" for uploader in uploaders], np.array(uploaders, np.int64), tags)


def lists(rows: Sequence[Sequence[int]]) -> Ragged:
    return Ragged.of(rows)
