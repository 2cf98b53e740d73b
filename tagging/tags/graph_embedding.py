"""Tag embeddings from the tag graph: DeepWalk (Perozzi et al. 2014), random walks read by skip-gram.

Skip-gram with negative sampling (Mikolov et al. 2013) is written out here, in torch, because no library fits: gensim is
LGPL, fastText is archived, and its fork floret has had no release since 2023.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tagging.config.recall import DeepWalkConfig
from tagging.progress import Progress
from tagging.tags.graph import TagGraph
from tagging.torch_tools import RowAdagrad

EPSILON = 1e-10  # of Adagrad
WALKS_AT_ONCE = 4096  # NumPy takes the same step of so many


@dataclass(frozen=True, slots=True, eq=False)
class TagEmbeddings:
    """Where N tags stand in the graph."""

    rows: NDArray[np.float32]  # (N, D) unit rows; zero where nothing is known
    known: NDArray[np.bool_]  # (N,) False for tags without an edge


def embed_tags(
    graph: TagGraph, config: DeepWalkConfig, rng: np.random.Generator, progress: Progress, device: str = "cpu"
) -> TagEmbeddings:
    """Near in the graph is near in cosine. On the CPU the same generator gives the same rows, bit for bit."""
    known = graph.degrees > 0
    rows = np.zeros((len(graph), config.dim), np.float32)
    if not known.any():
        return TagEmbeddings(rows, known)
    skip_gram = _SkipGram(len(graph), config, rng, device)
    walker = Walker(graph, graph.uploaders if config.weight == "uploaders" else graph.videos.data)
    noise = np.cumsum(walker.strengths**0.75)  # the power of Mikolov et al.
    total = config.walks * int(known.sum())
    done = 0
    with _one_thread(), progress.track("walk the tag graph", total) as advance:
        for starts in _starts(np.flatnonzero(known), config.walks, rng):
            walks = torch.from_numpy(walker.walk(starts, config.length, rng)).to(device)
            drawn = np.searchsorted(noise, rng.random((len(starts), config.noise)) * noise[-1], side="right")
            beside = torch.from_numpy(drawn).to(device)
            for first in range(0, len(starts), config.batch):
                here = slice(first, first + config.batch)
                skip_gram.step(walks[here], beside[here], 1 - (done + first) / total)
            done += len(starts)
            advance(len(starts))
    rows[known] = functional.normalize(skip_gram.centres.table, dim=1).cpu().numpy()[known]
    return TagEmbeddings(rows, known)


class Walker:
    """Random walks along the edges of a graph, each step as probable as its weight."""

    def __init__(self, graph: TagGraph, weights: NDArray[np.integer]) -> None:
        """weights: (2E,) in the order of the graph's."""
        self._others = graph.videos.indices
        self._ends = np.cumsum(weights, dtype=np.int64)
        self._before = np.concatenate([[0], self._ends])[graph.videos.indptr]  # (N + 1,)
        self.strengths: NDArray[np.int64] = np.diff(self._before)  # (N,) sum of the weights at each tag

    def walk(self, starts: NDArray[np.integer], length: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """(W, length) tags, the first of them those of (W,) `starts`, which must have edges."""
        walks = np.empty((len(starts), length), np.int64)
        here = walks[:, 0] = starts
        for step in range(1, length):
            low, high = self._before[here], self._before[here + 1]
            chosen = low + (rng.random(len(here)) * (high - low)).astype(np.int64)
            here = self._others[np.searchsorted(self._ends, chosen, side="right")]
            walks[:, step] = here
        return walks


def _starts(tags: NDArray[np.int64], walks: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Every tag so many times, shuffled anew each time, in parts."""
    for _ in range(walks):
        yield from np.split(rng.permutation(tags), range(WALKS_AT_ONCE, len(tags), WALKS_AT_ONCE))


class _SkipGram:
    """Two vectors a tag: as the centre of a window, which is kept, and as context."""

    def __init__(self, tags: int, config: DeepWalkConfig, rng: np.random.Generator, device: str) -> None:
        first = (rng.random((tags, config.dim), np.float32) - 0.5) / config.dim
        self.centres = RowAdagrad(torch.from_numpy(first).to(device), config.rate, EPSILON)
        self._contexts = RowAdagrad(torch.zeros(tags, config.dim, device=device), config.rate, EPSILON)
        # Like word2vec's window, drawn anew for each centre: its mean, falling with the distance.
        places = torch.arange(config.length, device=device)
        distance = (places[:, None] - places).abs()
        self._band = ((config.window + 1 - distance) / config.window).clamp(min=0) * (distance > 0)  # (L, L)
        self._noise_weight = self._band.sum(1, keepdim=True) * config.negatives / config.noise  # (L, 1)

    def step(self, walks: Tensor, noise: Tensor, pace: float) -> None:
        """walks: (W, L) tags; noise: (W, K) tags."""
        x, y, z = self.centres.table[walks], self._contexts.table[walks], self._contexts.table[noise]
        at_x, at_y, at_z = skip_gram_gradients(x, y, z, self._band, self._noise_weight)
        self.centres.step_summed(walks.flatten(), at_x.flatten(0, 1), pace)
        contexts = torch.cat([walks, noise], dim=1)
        self._contexts.step_summed(contexts.flatten(), torch.cat([at_y, at_z], dim=1).flatten(0, 1), pace)


def skip_gram_gradients(
    x: Tensor, y: Tensor, z: Tensor, band: Tensor, noise_weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of skip-gram's loss, sum of -band · log sigmoid(x·y) - noise_weight · log sigmoid(-x·z).

    x: (W, L, D) centres; y: (W, L, D) the same tags as contexts; z: (W, K, D) noise
    band: (L, L) how much each place is the other's context; noise_weight: (L, 1) of each of the K
    """
    pull = (torch.sigmoid(x @ y.mT) - 1) * band  # (W, L, L)
    push = torch.sigmoid(x @ z.mT) * noise_weight  # (W, L, K)
    return pull @ y + push @ z, pull.mT @ x, push.mT @ x


@contextmanager
def _one_thread() -> Iterator[None]:
    """These products are small: on shared cores two threads waited for each other and were ten times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
