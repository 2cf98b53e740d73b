"""Which tags a video is trained against. What makes a ranker is whom it had to tell apart.

    drawn     tags for the whole batch, evenly or by how often they are used; all, where there are no more
    two hops  of each video its own: walks of two steps over the tag graph from its tags, which end at tags that stand
              beside what stands beside them and beside none of them (the seed's "2-hop")
    recalled  of each video its own: what recall proposed for it

Never a negative of a video: its tags, their parents and children, and the tags of its near-duplicates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tagging.config.rank import NegativesConfig
from tagging.ragged import TagLists

Rows = NDArray[np.int64]
TRIES = 4  # walks for one that is wanted: many end beside where they began
SOURCES = ("drawn", "two hops", "recalled")


@dataclass(frozen=True, slots=True, eq=False)
class NegativeSample:
    """The tags that B videos meet in a step."""

    tags: Rows  # (M,) rising catalog rows
    pairs: tuple[Rows, Rows]  # (P,) videos and (P,) places among the tags, of what is true
    source: NDArray[np.int8]  # (B, M) place among SOURCES of whence a negative came; -1: it is none of the video's
    correction: NDArray[np.float32]  # (B, M)


class NegativeSampler:
    """Sources of negatives for V videos over N tags. A draw costs what it draws, not what there is to draw from."""

    def __init__(
        self,
        known: sparse.csr_array,
        excluded: sparse.csr_array,
        edges: sparse.csr_array,
        recalled: TagLists | None,
        config: NegativesConfig,
    ) -> None:
        """
        known:    (V, N) true where a video has a tag
        never:    (V, N) true where a tag must not be a negative: known, and what `exclusion_mask` adds
        edges:    (N, N) what walks choose their next tag by, the same both ways
        recalled: V
        """
        self.known = known
        self.config = config
        self._never = excluded.sorted_indices()
        self._edges = edges.sorted_indices()
        self._ends = np.concatenate([[0.0], np.cumsum(self._edges.data, dtype=np.float64)])  # of the edges, end to end
        self._recalled = recalled
        tags = known.shape[1]
        self._drawn = min(config.drawn, tags)
        uses = np.bincount(known.indices, minlength=tags) + 1.0
        self._popular = np.cumsum(uses / uses.sum())
        self._log_drawn = np.zeros(tags)  # of each tag's chance to be among the drawn, over that of an even draw
        if self._by_popularity:
            among = -np.expm1(self._drawn * np.log1p(-uses / uses.sum()))
            self._log_drawn = np.log(among * tags / self._drawn)

    def draw(self, videos: Rows, generator: np.random.Generator) -> NegativeSample:
        """What these videos meet in a step; a hop or a recalled tag that must not be a negative is passed over."""
        excluded = [_row(self._never, video) for video in videos.tolist()]
        own = [_row(self.known, video).astype(np.int64) for video in videos.tolist()]
        true = [_some(tags, self.config.positives, generator) for tags in own]
        drawn = self._draw_for_all(generator)
        hops = [
            _some(tags[~_within(out, tags)], self.config.two_hop, generator)
            for tags, out in zip(self._two_hops(own, generator), excluded, strict=True)
        ]
        recalled = [
            _some(tags[~_within(out, tags)], self.config.recalled, generator)
            for tags, out in zip(map(self._recalled_for, videos.tolist()), excluded, strict=True)
        ]
        columns = np.unique(np.concatenate([drawn, *true, *hops, *recalled]))

        source = np.full((len(videos), len(columns)), -1, np.int8)
        source[:, np.searchsorted(columns, drawn)] = SOURCES.index("drawn")
        for place, of_each in ((SOURCES.index("two hops"), hops), (SOURCES.index("recalled"), recalled)):
            source[_places(columns, of_each)] = place
        source[_places(columns, [columns[_within(out, columns)] for out in excluded])] = -1
        correction = np.where(source == 0, self._log_drawn[columns], 0.0).astype(np.float32)
        return NegativeSample(columns, _places(columns, true), source, correction)

    @property
    def _by_popularity(self) -> bool:
        return self.config.by == "popularity" and self._drawn < self.known.shape[1]

    def _draw_for_all(self, generator: np.random.Generator) -> Rows:
        if self._by_popularity:
            points = generator.random(self._drawn) * self._popular[-1]
            return np.unique(np.searchsorted(self._popular, points, side="right"))
        return np.asarray(generator.choice(self.known.shape[1], self._drawn, replace=False), np.int64)

    def _two_hops(self, own: Sequence[Rows], generator: np.random.Generator) -> list[Rows]:
        """Rising tags at distance two from each video's own."""
        walks = TRIES * self.config.two_hop
        starts = [generator.choice(tags, walks) if len(tags) else np.full(walks, -1) for tags in own]
        ends = self._step(self._step(np.concatenate(starts), generator), generator)
        return [self._beyond(tags, np.unique(some)) for tags, some in zip(own, np.split(ends, len(own)), strict=True)]

    def _beyond(self, tags: Rows, ends: Rows) -> Rows:
        """The ends that are none of the tags and stand beside none of them."""
        near = (ends < 0) | np.isin(ends, tags)
        for tag in tags.tolist():
            near |= _within(_row(self._edges, tag), ends)
        return ends[~near]

    def _step(self, tags: Rows, generator: np.random.Generator) -> Rows:
        """The tag that each walk goes on to, chosen by the edges' weights; -1 where it ended or cannot go on."""
        first, last = self._edges.indptr[tags], self._edges.indptr[tags + 1] - 1
        low, high = self._ends[first], self._ends[last + 1]
        points = low + generator.random(len(tags)) * (high - low)
        going = np.flatnonzero((tags >= 0) & (first <= last))
        going = going[np.argsort(points[going])]  # a search that jumps about in millions of edges waits for memory
        edge = np.searchsorted(self._ends, points[going], side="right") - 1
        out = np.full(len(tags), -1)
        out[going] = self._edges.indices[np.clip(edge, first[going], last[going])]
        return out

    def _recalled_for(self, video: int) -> Rows:
        return np.zeros(0, np.int64) if self._recalled is None else self._recalled.at(video)


def exclusion_mask(known: sparse.csr_array, kin: sparse.csr_array, twins: sparse.csr_array) -> sparse.csr_array:
    """(V, N) true where a tag must never be a negative of a video.

    known: (V, N) true where a video has a tag
    kin:   (N, N) true where a tag is another's parent or child
    twins: (V, V) true where a video is another's near-duplicate
    """
    with_twins = known + twins.astype(np.int32) @ known.astype(np.int32)
    out = with_twins + with_twins.astype(np.int32) @ kin.astype(np.int32)
    out.data = np.ones(len(out.data), np.bool_)
    return sparse.csr_array(out)


def hierarchy_mask(parents: Sequence[Sequence[int]]) -> sparse.csr_array:
    """(N, N) true where a tag is another's parent or child, from the parents of each."""
    pairs = [(row, parent) for row, above in enumerate(parents) for parent in above]
    below, above = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    ones = np.ones(2 * len(pairs), np.bool_)
    shape = (len(parents), len(parents))
    return sparse.csr_array((ones, (np.r_[below, above], np.r_[above, below])), shape=shape)


def top_edges(edges: sparse.csr_array, most: int) -> sparse.csr_array:
    """Each tag's `most` strongest edges, both ways: how strong is a share of both tags' own weights (Salton's cosine).

    In a dense graph every tag stands beside every other, and nothing is two hops away.
    """
    sums = np.maximum(np.asarray(edges.sum(axis=1)).ravel(), 1e-9)
    rows = np.repeat(np.arange(edges.shape[0]), np.diff(edges.indptr))
    strength = edges.data / np.sqrt(sums[rows] * sums[edges.indices])
    order = np.lexsort((edges.indices, -strength, rows))
    rank = np.arange(len(order)) - edges.indptr[rows[order]]
    kept = order[rank < most]
    one_way = sparse.csr_array((strength[kept], (rows[kept], edges.indices[kept])), shape=edges.shape)
    return sparse.csr_array(one_way.maximum(one_way.T))


def at_two_hops(edges: sparse.csr_array, tags: Rows) -> Rows:
    """Rising tags at distance exactly two from the nearest of the given ones: what is easily taken for them."""
    near = np.unique(edges[tags].indices)
    far = np.unique(edges[near].indices)
    return np.asarray(far[~np.isin(far, near) & ~np.isin(far, tags)], np.int64)


def _row(matrix: sparse.csr_array, row: int) -> NDArray[np.integer]:
    return np.asarray(matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]])


def _within(rising: NDArray[np.integer], tags: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which of the tags are among the rising ones."""
    if not len(rising):
        return np.zeros(len(tags), np.bool_)
    places = np.searchsorted(rising, tags.astype(rising.dtype))  # of one type, else it copies all that are rising
    return np.asarray(rising[np.minimum(places, len(rising) - 1)] == tags)


def _some(tags: Rows, most: int, generator: np.random.Generator) -> Rows:
    return tags if len(tags) <= most else generator.choice(tags, most, replace=False)


def _places(columns: Rows, own: Sequence[Rows]) -> tuple[Rows, Rows]:
    """Videos and places among the columns, of the tags of each video."""
    rows = np.repeat(np.arange(len(own)), [len(tags) for tags in own])
    return rows, np.searchsorted(columns, np.concatenate([np.zeros(0, np.int64), *own]))
