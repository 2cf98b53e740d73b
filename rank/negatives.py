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

from tagging.config import NegativesConfig
from tagging.types import TagLists

Rows = NDArray[np.int64]
TRIES = 4  # walks for one that is wanted: many end beside where they began
SOURCES = ("drawn", "two hops", "recalled")


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """The tags that B videos meet in a step."""

    tags: Rows  # (M,) rising catalog rows
    pairs: tuple[Rows, Rows]  # (P,) videos and (P,) places among the tags, of what is true
    source: NDArray[np.int8]  # (B, M) place among SOURCES of whence a negative came; -1: it is none of the video's
    correction: NDArray[np.float32]  # (B, M)


@dataclass(frozen=True, slots=True, eq=False)
class Negatives:
    """Sources of negatives for V videos over N tags."""

    known: sparse.csr_array  # (V, N) true where a video has a tag
    never: sparse.csr_array  # (V, N) true where a tag must not be a negative: known, and what `kept_out` adds
    edges: sparse.csr_array  # (N, N) what walks choose their next tag by
    recalled: TagLists | None  # V
    config: NegativesConfig

    @property
    def chances(self) -> NDArray[np.float64]:
        """(N,) of each tag to be drawn once."""
        tags = self.known.shape[1]
        if self.config.by == "uniform":
            return np.full(tags, 1 / tags)
        uses = np.bincount(self.known.indices, minlength=tags) + 1.0
        return np.asarray(uses / uses.sum())

    def draw(self, videos: Rows, chances: NDArray[np.float64], generator: np.random.Generator) -> Draw:
        """chances: those of `chances`, which a caller computes once."""
        tags = self.known.shape[1]
        true = [_some(_row(self.known, video), self.config.positives, generator) for video in videos.tolist()]
        if self.config.drawn >= tags:
            drawn = np.arange(tags)
        elif self.config.by == "uniform":
            drawn = generator.choice(tags, self.config.drawn, replace=False)
        else:
            drawn = np.unique(generator.choice(tags, self.config.drawn, p=chances))
        hops = [self._two_hops(video, generator) for video in videos.tolist()]
        recalled = [self._recalled(video, generator) for video in videos.tolist()]
        columns = np.unique(np.concatenate([drawn, *true, *hops, *recalled]))

        source = np.full((len(videos), len(columns)), -1, np.int8)
        source[:, np.searchsorted(columns, drawn)] = SOURCES.index("drawn")
        for place, own in ((SOURCES.index("two hops"), hops), (SOURCES.index("recalled"), recalled)):
            source[_places(columns, own)] = place
        source[(self.never[videos][:, columns]).toarray()] = -1
        correction = np.where(source == 0, np.log(tags * chances[columns]), 0.0).astype(np.float32)
        return Draw(columns, _places(columns, true), source, correction)

    def _two_hops(self, video: int, generator: np.random.Generator) -> Rows:
        wanted, tags = self.config.two_hop, _row(self.known, video)
        if not wanted or not len(tags):
            return np.zeros(0, np.int64)
        walks = generator.choice(tags, TRIES * wanted)
        ends = _step(self.edges, _step(self.edges, walks, generator), generator)
        near = np.concatenate([tags, *(_row(self.edges, tag) for tag in tags.tolist())])
        return _some(np.unique(ends[(ends >= 0) & ~np.isin(ends, near)]), wanted, generator)

    def _recalled(self, video: int, generator: np.random.Generator) -> Rows:
        if self.recalled is None or not self.config.recalled:
            return np.zeros(0, np.int64)
        return _some(self.recalled.of(video), self.config.recalled, generator)


def kept_out(known: sparse.csr_array, kin: sparse.csr_array, twins: sparse.csr_array) -> sparse.csr_array:
    """(V, N) true where a tag must never be a negative of a video.

    known: (V, N) true where a video has a tag
    kin:   (N, N) true where a tag is another's parent or child
    twins: (V, V) true where a video is another's near-duplicate
    """
    with_twins = known + twins.astype(np.int32) @ known.astype(np.int32)
    out = with_twins + with_twins.astype(np.int32) @ kin.astype(np.int32)
    out.data = np.ones(len(out.data), np.bool_)
    return sparse.csr_array(out)


def kin_of(parents: Sequence[Sequence[int]]) -> sparse.csr_array:
    """(N, N) true where a tag is another's parent or child, from the parents of each."""
    pairs = [(row, parent) for row, above in enumerate(parents) for parent in above]
    below, above = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    ones = np.ones(2 * len(pairs), np.bool_)
    shape = (len(parents), len(parents))
    return sparse.csr_array((ones, (np.r_[below, above], np.r_[above, below])), shape=shape)


def strongest(edges: sparse.csr_array, most: int) -> sparse.csr_array:
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


def _step(edges: sparse.csr_array, tags: Rows, generator: np.random.Generator) -> Rows:
    """The tag that each walk goes on to, chosen by the edges' weights; -1 where it ended or cannot go on."""
    totals = np.concatenate([[0.0], np.cumsum(edges.data, dtype=np.float64)])
    starts, ends = edges.indptr[tags], edges.indptr[tags + 1]
    points = totals[starts] + generator.random(len(tags)) * (totals[ends] - totals[starts])
    edge = np.clip(np.searchsorted(totals, points, side="right") - 1, starts, np.maximum(ends - 1, starts))
    can = (tags >= 0) & (ends > starts)
    return np.where(can, edges.indices[np.where(can, edge, 0)] if len(edges.indices) else -1, -1)


def _row(matrix: sparse.csr_array, row: int) -> Rows:
    return np.asarray(matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]], np.int64)


def _some(tags: Rows, most: int, generator: np.random.Generator) -> Rows:
    return tags if len(tags) <= most else generator.choice(tags, most, replace=False)


def _places(columns: Rows, own: Sequence[Rows]) -> tuple[Rows, Rows]:
    """Videos and places among the columns, of the tags of each video."""
    rows = np.repeat(np.arange(len(own)), [len(tags) for tags in own])
    return rows, np.searchsorted(columns, np.concatenate([np.zeros(0, np.int64), *own]))
