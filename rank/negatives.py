"""Negative sampling for the ranker: random, two-hop hard, and recalled negatives, and the exclusion mask.

    drawn     random: tags for the whole batch, uniformly or by popularity; all tags if there are no more
    two hops  hard, for each video its own: ends of two-step random walks over the tag graph from the video's tags,
              neighbours of neighbours of its tags that are not neighbours ("2-hop" of the NetEase News tagging paper)
    recalled  hard, for each video its own: candidates that recall proposed for it

Excluded as negatives of a video: its own tags, their parents and children, and the tags of its near-duplicates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tagging.config.rank import NegativesConfig
from tagging.ragged import Ragged, WeightedRows, positions_of

Rows = NDArray[np.int64]
WALKS_PER_NEGATIVE = 4  # many walks end next to where they began
SOURCES = ("drawn", "two hops", "recalled")


@dataclass(frozen=True, slots=True, eq=False)
class NegativeSample:
    """The M tags that a batch of B videos is trained against in one step."""

    tags: Rows  # (M,) rising catalog rows
    positives: tuple[Rows, Rows]  # (P,) videos of the batch and (P,) columns, the true pairs
    source: NDArray[np.int8]  # (B, M) index into SOURCES of a negative; -1: not a negative of the video
    correction: NDArray[np.float32]  # (B, M) logQ correction, subtracted from the logits of negatives


class NegativeSampler:
    """Sources of negatives for V videos over N tags. The cost of a sample does not depend on V and N."""

    def __init__(
        self,
        known: sparse.csr_array,
        excluded: sparse.csr_array,
        edges: sparse.csr_array,
        recalled: Ragged | None,
        config: NegativesConfig,
    ) -> None:
        """
        known:    (V, N) True where a video has a tag
        excluded: (V, N) True where a tag must not be a negative of a video (`exclusion_mask`)
        edges:    (N, N) symmetric weights of the tag graph, which walks choose their next tag by
        recalled: recall's candidates of the V videos; None: no recalled negatives
        """
        self.known = known
        self.config = config
        self._excluded = excluded.sorted_indices()
        self._edges = edges.sorted_indices()
        self._walks = WeightedRows(self._edges.indptr, self._edges.indices, self._edges.data)
        self._recalled = recalled
        tags = known.shape[1]
        self._count = min(config.drawn, tags)
        uses = np.bincount(known.indices, minlength=tags) + 1.0
        self._popularity = np.cumsum(uses / uses.sum())
        # (N,) log of a tag's probability to be drawn over that of a uniform draw
        self._log_correction = np.zeros(tags)
        if self._by_popularity:
            probability = -np.expm1(self._count * np.log1p(-uses / uses.sum()))
            self._log_correction = np.log(probability * tags / self._count)

    def sample(self, videos: Rows, generator: np.random.Generator) -> NegativeSample:
        """Draw the tags of one training step; (B,) rows of videos."""
        excluded = [_row(self._excluded, video) for video in videos.tolist()]
        own = [_row(self.known, video).astype(np.int64) for video in videos.tolist()]
        positives = [_subset(tags, self.config.positives, generator) for tags in own]
        drawn = self._draw_shared(generator)
        two_hop = [
            _subset(tags[~_contains(mask, tags)], self.config.two_hop, generator)
            for tags, mask in zip(self._two_hop_tags(own, generator), excluded, strict=True)
        ]
        recalled = [
            _subset(tags[~_contains(mask, tags)], self.config.recalled, generator)
            for tags, mask in zip(map(self._recalled_tags, videos.tolist()), excluded, strict=True)
        ]
        tags = np.unique(np.concatenate([drawn, *positives, *two_hop, *recalled]))

        source = np.full((len(videos), len(tags)), -1, np.int8)
        source[:, np.searchsorted(tags, drawn)] = SOURCES.index("drawn")
        source[_cells(tags, two_hop)] = SOURCES.index("two hops")
        source[_cells(tags, recalled)] = SOURCES.index("recalled")
        source[_cells(tags, [tags[_contains(mask, tags)] for mask in excluded])] = -1
        correction = np.where(source == SOURCES.index("drawn"), self._log_correction[tags], 0.0).astype(np.float32)
        return NegativeSample(tags, _cells(tags, positives), source, correction)

    @property
    def _by_popularity(self) -> bool:
        return self.config.by == "popularity" and self._count < self.known.shape[1]

    def _draw_shared(self, generator: np.random.Generator) -> Rows:
        if self._by_popularity:
            points = generator.random(self._count) * self._popularity[-1]
            return np.unique(np.searchsorted(self._popularity, points, side="right"))
        return np.asarray(generator.choice(self.known.shape[1], self._count, replace=False), np.int64)

    def _two_hop_tags(self, own: Sequence[Rows], generator: np.random.Generator) -> list[Rows]:
        """Return for each video rising tags at distance exactly two from its own."""
        walks = WALKS_PER_NEGATIVE * self.config.two_hop
        starts = [generator.choice(tags, walks) if len(tags) else np.full(walks, -1) for tags in own]
        ends = self._walks.draw(self._walks.draw(np.concatenate(starts), generator), generator)
        split = np.split(ends, len(own))
        is_near = np.zeros(self.known.shape[1], np.bool_)  # one mask for all videos; of each, its marks are removed
        return [self._beyond_neighbours(tags, np.unique(ends), is_near) for tags, ends in zip(own, split, strict=True)]

    def _beyond_neighbours(self, tags: Rows, ends: Rows, is_near: NDArray[np.bool_]) -> Rows:
        """Return the ends of walks that are neither in `tags` nor next to one of them; -1 is no end.

        is_near: (N,) False, before and after
        """
        marked = np.concatenate([tags, self._edges.indices[positions_of(self._edges.indptr, tags)]])
        is_near[marked] = True
        beyond = ends[(ends >= 0) & ~is_near[ends]]
        is_near[marked] = False
        return beyond

    def _recalled_tags(self, video: int) -> Rows:
        return np.zeros(0, np.int64) if self._recalled is None else self._recalled.at(video)


def exclusion_mask(
    known: sparse.csr_array, hierarchy: sparse.csr_array, duplicates: sparse.csr_array
) -> sparse.csr_array:
    """Return (V, N) True where a tag must not be a negative of a video.

    known:      (V, N) True where a video has a tag
    hierarchy:  (N, N) True where a tag is another's parent or child
    duplicates: (V, V) True where a video is another's near-duplicate
    """
    shared = known + duplicates.astype(np.int32) @ known.astype(np.int32)
    mask = shared + shared.astype(np.int32) @ hierarchy.astype(np.int32)
    mask.data = np.ones(len(mask.data), np.bool_)
    return sparse.csr_array(mask)


def hierarchy_mask(parents: Sequence[Sequence[int]]) -> sparse.csr_array:
    """Return (N, N) True where a tag is another's parent or child, from the parents of each tag."""
    pairs = [(row, parent) for row, above in enumerate(parents) for parent in above]
    below, above = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    ones = np.ones(2 * len(pairs), np.bool_)
    shape = (len(parents), len(parents))
    return sparse.csr_array((ones, (np.r_[below, above], np.r_[above, below])), shape=shape)


def top_edges(edges: sparse.csr_array, limit: int) -> sparse.csr_array:
    """Return the `limit` strongest edges of each tag, in both directions, weighted by Salton's cosine.

    The strength of an edge is its weight over the geometric mean of the summed weights of its two tags. Without a limit
    every tag of a dense graph is a neighbour of every other, and none is two hops away.
    """
    sums = np.maximum(np.asarray(edges.sum(axis=1)).ravel(), 1e-9)
    rows = np.repeat(np.arange(edges.shape[0]), np.diff(edges.indptr))
    strength = edges.data / np.sqrt(sums[rows] * sums[edges.indices])
    order = np.lexsort((edges.indices, -strength, rows))
    rank = np.arange(len(order)) - edges.indptr[rows[order]]
    kept = order[rank < limit]
    one_way = sparse.csr_array((strength[kept], (rows[kept], edges.indices[kept])), shape=edges.shape)
    return sparse.csr_array(one_way.maximum(one_way.T))


def at_two_hops(edges: sparse.csr_array, tags: Rows) -> Rows:
    """Return the rising tags at distance exactly two from the nearest of the given ones: hard to tell from them."""
    neighbours = np.unique(edges[tags].indices)
    reached = np.unique(edges[neighbours].indices)
    return np.asarray(reached[~np.isin(reached, neighbours) & ~np.isin(reached, tags)], np.int64)


def _row(matrix: sparse.csr_array, row: int) -> NDArray[np.integer]:
    return np.asarray(matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]])


def _contains(rising: NDArray[np.integer], tags: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return for each of the tags whether it is among the rising ones."""
    if not len(rising):
        return np.zeros(len(tags), np.bool_)
    positions = np.searchsorted(rising, tags.astype(rising.dtype))  # with two types it would copy `rising`
    return np.asarray(rising[np.minimum(positions, len(rising) - 1)] == tags)


def _subset(tags: Rows, limit: int, generator: np.random.Generator) -> Rows:
    return tags if len(tags) <= limit else generator.choice(tags, limit, replace=False)


def _cells(columns: Rows, tags: Sequence[Rows]) -> tuple[Rows, Rows]:
    """Return rows and columns of the cells of a (B, M) matrix that belong to the tags of each of B videos."""
    rows = np.repeat(np.arange(len(tags)), [len(own) for own in tags])
    return rows, np.searchsorted(columns, np.concatenate([np.zeros(0, np.int64), *tags]))
