"""Tag embeddings from the tag graph: DeepWalk (Perozzi et al. 2014), random walks and skip-gram.

Skip-gram with negative sampling (Mikolov et al. 2013) is implemented here in torch because no library fits: gensim is
LGPL, fastText is archived, and its fork floret has had no release since 2023.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from tagging.config.recall import DeepWalkConfig
from tagging.progress import Progress
from tagging.ragged import WeightedRows
from tagging.tags.graph import TagGraph
from tagging.torch_tools import RowAdagrad

EPSILON = 1e-10  # of Adagrad
WALKS_AT_ONCE = 4096  # walks that NumPy advances together
NOISE_POWER = 0.75  # of a tag's weight in the noise distribution (Mikolov et al.)


def embed_tags(
    graph: TagGraph, config: DeepWalkConfig, rng: np.random.Generator, progress: Progress, device: str = "cpu"
) -> NDArray[np.float32]:
    """Return (N, D) unit rows, of high cosine for tags near each other in the graph; zeros for a tag without edges.

    On the CPU the same generator gives the same rows, bit for bit.
    """
    has_edges = graph.degrees > 0
    rows = np.zeros((len(graph), config.dim), np.float32)
    if not has_edges.any():
        return rows
    skip_gram = _SkipGram(len(graph), config, rng, device)
    weights = graph.uploaders if config.weight == "uploaders" else graph.videos.data
    edges = WeightedRows(graph.videos.indptr, graph.videos.indices, weights)
    noise = np.cumsum(edges.totals**NOISE_POWER)
    total = config.walks * int(has_edges.sum())
    done = 0
    with _one_thread(), progress.track("walk the tag graph", total) as advance:
        for starts in _shuffled_starts(np.flatnonzero(has_edges), config.walks, rng):
            walks = torch.from_numpy(random_walks(edges, starts, config.length, rng)).to(device)
            drawn = np.searchsorted(noise, rng.random((len(starts), config.noise)) * noise[-1], side="right")
            noise_tags = torch.from_numpy(drawn).to(device)
            for first in range(0, len(starts), config.batch):
                batch = slice(first, first + config.batch)
                skip_gram.step(walks[batch], noise_tags[batch], 1 - (done + first) / total)
            done += len(starts)
            advance(len(starts))
    rows[has_edges] = functional.normalize(skip_gram.centres.table, dim=1).cpu().numpy()[has_edges]
    return rows


def random_walks(
    edges: WeightedRows, starts: NDArray[np.int64], length: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return (W, length) tags of walks along edges, each step as probable as the weight of its edge.

    starts: (W,) the first tag of each walk, which must have edges
    """
    walks = np.empty((len(starts), length), np.int64)
    walks[:, 0] = starts
    for step in range(1, length):
        walks[:, step] = edges.draw(walks[:, step - 1], rng)
    return walks


def _shuffled_starts(tags: NDArray[np.int64], walks: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield every tag `walks` times, in a new order each time, in parts of WALKS_AT_ONCE."""
    for _ in range(walks):
        yield from np.split(rng.permutation(tags), range(WALKS_AT_ONCE, len(tags), WALKS_AT_ONCE))


class _SkipGram:
    """Two vectors per tag: as the centre of a window, which becomes the embedding, and as context."""

    def __init__(self, tags: int, config: DeepWalkConfig, rng: np.random.Generator, device: str) -> None:
        first = (rng.random((tags, config.dim), np.float32) - 0.5) / config.dim
        self.centres = RowAdagrad(torch.from_numpy(first).to(device), config.rate, EPSILON)
        self._contexts = RowAdagrad(torch.zeros(tags, config.dim, device=device), config.rate, EPSILON)
        # word2vec draws the width of each window; these are the mean weights of that, falling with the distance.
        positions = torch.arange(config.length, device=device)
        distance = (positions[:, None] - positions).abs()
        self._band = ((config.window + 1 - distance) / config.window).clamp(min=0) * (distance > 0)  # (L, L)
        self._noise_weight = self._band.sum(1, keepdim=True) * config.negatives / config.noise  # (L, 1)

    def step(self, walks: Tensor, noise: Tensor, share: float) -> None:
        """Take one step of gradient descent.

        walks: (W, L) tags; noise: (W, K) tags; share: of the learning rate, in (0, 1]
        """
        x, y, z = self.centres.table[walks], self._contexts.table[walks], self._contexts.table[noise]
        at_x, at_y, at_z = skip_gram_gradients(x, y, z, self._band, self._noise_weight)
        self.centres.step_summed(walks.flatten(), at_x.flatten(0, 1), share)
        contexts = torch.cat([walks, noise], dim=1)
        self._contexts.step_summed(contexts.flatten(), torch.cat([at_y, at_z], dim=1).flatten(0, 1), share)


def skip_gram_gradients(
    x: Tensor, y: Tensor, z: Tensor, band: Tensor, noise_weight: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of skip-gram's loss, sum of -band · log sigmoid(x·y) - noise_weight · log sigmoid(-x·z).

    x:            (W, L, D) centres
    y:            (W, L, D) the same tags as contexts
    z:            (W, K, D) noise
    band:         (L, L) weight of each position as context of another
    noise_weight: (L, 1) weight of each of the K noise tags
    """
    pull = (torch.sigmoid(x @ y.mT) - 1) * band  # (W, L, L)
    push = torch.sigmoid(x @ z.mT) * noise_weight  # (W, L, K)
    return pull @ y + push @ z, pull.mT @ x, push.mT @ x


@contextmanager
def _one_thread() -> Iterator[None]:
    """Limit torch to one thread: these products are small, and on shared cores two threads were ten times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
