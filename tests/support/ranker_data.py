"""Made-up videos, whose titles name their tags in words of their own, and trainings of them."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import nn

from rank.negatives import NegativeSampler
from rank.towers import Towers
from rank.train import RankData, train_ranker
from tagging.config.rank import NegativesConfig, RankerConfig, TowersConfig
from tagging.progress import Advance, Silent
from tagging.ragged import Ragged, Tokens
from tests.support.tiny_bert import SHAPE, tiny_bert

TAGS = 10
CLS, SEP, FILLER, WORD, NAME = 0, 1, 2, 10, 25  # tag t is WORD + t in titles, and called NAME + t
LOOKS = np.random.default_rng(9).standard_normal((TAGS, 6))

CONFIG = RankerConfig(
    towers=TowersConfig(width=32, trained_layers=1, clusters=4, groups=2, expansion=1),
    negatives=NegativesConfig(drawn=6, two_hop=1, recalled=1, positives=2),
    batch=16,
    epochs=1e-6,
    least_steps=8,
    rate=5e-3,
    bert_rate=1e-3,
)
LONG = CONFIG.model_copy(
    update={
        "negatives": CONFIG.negatives.model_copy(update={"drawn": TAGS}),
        "batch": 32,
        "least_steps": 70,
        "rate": 1e-2,
        "bert_rate": 3e-3,
    }
)


@dataclass(frozen=True)
class Toy:
    data: RankData
    known: sparse.csr_array
    edges: sparse.csr_array
    recalled: Ragged

    def negatives(self, config: RankerConfig = CONFIG) -> NegativeSampler:
        return NegativeSampler(self.known, self.known, self.edges, self.recalled, config.negatives)


@torch.inference_mode()
def read(texts: Sequence[Sequence[int] | None], lower: int) -> Tokens:
    """Return the states of the lower BERT layers for each text, computed one text at a time."""
    bert = tiny_bert()
    states: list[NDArray[np.floating] | None] = []
    for text in texts:
        if text is None:
            states.append(None)
        else:
            ids = torch.tensor([[CLS, *text, SEP]])
            mask = torch.ones_like(ids, dtype=torch.bool)
            states.append(bert.through(bert.enter(ids), mask, slice(lower))[0].numpy())
    return Tokens.of(states, SHAPE.width)


def toy(
    count: int, seed: int, has_text: Callable[[int], bool] = lambda _: True, lower: int = 2, missing: bool = False
) -> Toy:
    """Each video has one or two tags, named in its title among fillers, and looks like them.

    Every third has no frames. missing: half of the videos of tag 0 show tag 1 as well and do not have it as a label;
    the other half have it.
    """
    generator = np.random.default_rng(seed)
    titles: list[list[int] | None] = []
    labels: list[list[int]] = []
    frames: list[NDArray[np.float64] | None] = []
    for number in range(count):
        shown = generator.choice(TAGS, generator.integers(1, 3), replace=False).tolist()
        own = shown
        if missing and 0 in shown:
            shown = [0, 1]
            own = [0, 1] if generator.random() < 0.5 else [0]
        title = generator.permutation([*(WORD + tag for tag in shown), *(FILLER + generator.integers(0, 8, 2))])
        titles.append(title.tolist() if has_text(number) else None)
        looks = LOOKS[generator.choice(shown, 4)] + 0.2 * generator.standard_normal((4, 6))
        frames.append(None if number % 3 == 2 else looks)
        labels.append(own)
    known = np.zeros((count, TAGS), np.bool_)
    for row, own in enumerate(labels):
        known[row, own] = True
    circle = np.zeros((TAGS, TAGS))
    for tag in range(TAGS):
        circle[tag, (tag + 1) % TAGS] = circle[(tag + 1) % TAGS, tag] = 1.0
    proposed = [[1] if missing and own == [0] else [int(generator.integers(TAGS))] for own in labels]
    return Toy(
        RankData(
            read(titles, lower),
            {"frames": Tokens.of(frames, 6)},
            read([[NAME + tag] for tag in range(TAGS)], lower),
            generator.standard_normal((TAGS, 3)).astype(np.float32),
            generator.uniform(0.5, 1.0, count).astype(np.float32),
        ),
        sparse.csr_array(known),
        sparse.csr_array(circle),
        Ragged(np.arange(count + 1), np.array(proposed).reshape(-1)),
    )


def trained(toy_data: Toy, config: RankerConfig = CONFIG, seed: int = 7, **more: Any) -> Towers:
    return train_ranker(
        toy_data.data, toy_data.negatives(config), tiny_bert(), config, seed, **({"progress": Silent()} | more)
    )


@torch.inference_mode()
def cosines_of(towers: Towers, data: RankData) -> NDArray[np.float32]:
    videos = data.videos(np.arange(len(data.text)))
    rows: NDArray[np.float32] = (
        towers.encode_videos(videos, videos.present()) @ towers.encode_tags(data.tags(np.arange(TAGS))).T
    ).numpy()
    return rows


def share_above(cosines: NDArray[np.float32], known: NDArray[np.bool_]) -> float:
    """Return the share of (true tag, other tag) pairs in which the true tag is nearer (the AUC per video)."""
    right = [true > other for row, own in zip(cosines, known, strict=True) for true in row[own] for other in row[~own]]
    return float(np.mean(right))


def same(left: nn.Module, right: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(left.state_dict().values(), right.state_dict().values(), strict=True))


class KilledError(Exception):
    pass


class Counting:
    """Progress that counts steps and raises KilledError at one of them."""

    def __init__(self, dies_at: float = math.inf) -> None:
        self.calls: list[int] = []
        self._dies_at = dies_at

    @contextmanager
    def track(self, label: str, total: int | None) -> Iterator[Advance]:
        def advance(steps: int) -> None:
            self.calls.append(steps)
            if sum(self.calls) >= self._dies_at:
                raise KilledError

        yield advance
