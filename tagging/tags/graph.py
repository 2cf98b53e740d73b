"""The tag graph: two tags are joined where videos carry both, and the edge weighs as many as there are videos.

A channel repeats its tags on all its videos, so the weight says little of how common a pair is: on YouTube's trending
videos 94 in 100 edges rest on one channel. Each edge therefore carries the number of uploaders beside that of videos,
and `filter_edges` keeps the edges that enough of them share.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy import sparse

from tagging.ragged import TagLists, starts_of

PAIRS_AT_ONCE = 4_000_000  # ordered pairs of one uploader's tags, which bounds the memory of building


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """What one tag is joined to."""

    rows: NDArray[np.int32]  # (n,) rows of the catalog, rising
    videos: NDArray[np.int32]  # (n,) with both tags
    uploaders: NDArray[np.int32]  # (n,) of those videos


@dataclass(frozen=True, slots=True, eq=False)
class TagGraph:
    """N tags, rows of the catalog; E edges, each stored from both its ends. No tag is joined to itself."""

    videos: sparse.csr_array  # (N, N) int32, symmetric, canonical: the edges' weights
    uploaders: NDArray[np.int32]  # (2E,) in the order of videos.data

    def __post_init__(self) -> None:
        rows, columns = self.videos.shape
        if rows != columns or self.uploaders.shape != self.videos.data.shape:
            raise ValueError(f"weights {self.videos.shape} of {self.videos.nnz} ends, uploaders {self.uploaders.shape}")

    def __len__(self) -> int:
        return int(self.videos.shape[0])

    @property
    def edges(self) -> int:
        return int(self.videos.nnz) // 2

    @property
    def degrees(self) -> NDArray[np.int64]:
        """(N,) how many tags each is joined to."""
        degrees: NDArray[np.int64] = np.diff(self.videos.indptr).astype(np.int64)
        return degrees

    def neighbours(self, row: int) -> Edges:
        here = slice(self.videos.indptr[row], self.videos.indptr[row + 1])
        return Edges(self.videos.indices[here], self.videos.data[here], self.uploaders[here])

    def at_two_hops(self, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """Rising rows of the tags at distance exactly two from the nearest of the given ones."""
        near = self._beside(np.asarray(rows))
        far = self._beside(np.flatnonzero(near))
        return np.flatnonzero(far & ~near & ~self._marked(rows))

    def filter_edges(self, min_videos: int = 1, min_uploaders: int = 1) -> "TagGraph":
        """The same tags, without the edges that fewer videos or uploaders speak for."""
        kept = (self.videos.data >= min_videos) & (self.uploaders >= min_uploaders)
        starts = starts_of(kept)[self.videos.indptr]
        parts = (self.videos.data[kept], self.videos.indices[kept], starts.astype(self.videos.indptr.dtype))
        return TagGraph(sparse.csr_array(parts, shape=self.videos.shape), self.uploaders[kept])

    def save(self, path: Path) -> None:
        """Each edge once, by its lower row."""
        rows = np.repeat(np.arange(len(self), dtype=np.int32), self.degrees)
        once = rows < self.videos.indices
        columns = {"row": rows, "other": self.videos.indices, "videos": self.videos.data, "uploaders": self.uploaders}
        table = pa.table({name: pa.array(values[once], pa.int32()) for name, values in columns.items()})
        table = table.replace_schema_metadata({"tags": str(len(self))})
        pq.write_table(table, path, compression="zstd", use_dictionary=False)

    @classmethod
    def load(cls, path: Path) -> "TagGraph":
        """Raises ValueError for a table that is no graph, OSError or LookupError for one that is none of ours."""
        table = pq.read_table(path)
        tags = int((table.schema.metadata or {})[b"tags"])
        rows, others, videos, uploaders = (table[name].to_numpy() for name in ("row", "other", "videos", "uploaders"))
        if len(rows) and not (rows.min() >= 0 and (rows < others).all() and others.max() < tags):
            raise ValueError(f"{path} has edges that do not join two of its {tags} tags")
        return _both_ways(tags, rows, others, videos, uploaders)

    def _beside(self, rows: NDArray[np.integer]) -> NDArray[np.bool_]:
        return self._marked(self.videos[rows].indices)

    def _marked(self, rows: NDArray[np.integer]) -> NDArray[np.bool_]:
        mask = np.zeros(len(self), np.bool_)
        mask[rows] = True
        return mask


def build_graph(tags: TagLists, tag_count: int, uploaders: NDArray[np.integer] | None = None) -> TagGraph:
    """The graph of the `tag_count` tags of V labelled videos.

    uploaders: (V,) equal for videos of one uploader; None: each video is another's.
    """
    owners = np.arange(len(tags)) if uploaders is None else np.unique(uploaders, return_inverse=True)[1]
    if owners.shape != (len(tags),):
        raise ValueError(f"{len(tags)} videos, uploaders {owners.shape}")
    pairs = [_pairs(tags, owners, chunk) for chunk in _chunks(tags, owners)]
    rows, others, videos = (np.concatenate(part) for part in zip(*pairs, strict=True))
    return _both_ways(tag_count, rows, others, videos, np.ones_like(videos))


def _chunks(tags: TagLists, owners: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """The videos in parts that hold all of an uploader's and, beyond the first of them, PAIRS_AT_ONCE pairs at most."""
    by_owner = np.argsort(owners, kind="stable")
    pairs = np.bincount(owners, np.diff(tags.starts).astype(np.float64) ** 2)
    part_of_owner = (np.cumsum(pairs) // PAIRS_AT_ONCE).astype(np.int64)
    cuts = np.flatnonzero(np.diff(part_of_owner[owners[by_owner]])) + 1
    return np.split(by_owner, cuts)


def _pairs(
    tags: TagLists, owners: NDArray[np.integer], videos: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Each uploader's pairs of tags, the lower row first, and how many of these videos of theirs have both."""
    sizes = np.diff(tags.starts)[videos]
    video = np.repeat(np.arange(len(videos)), sizes)
    tag = np.concatenate([tags.at(int(v)) for v in videos]) if len(videos) else np.zeros(0, np.int64)
    # A tag of one uploader and the same of another are two columns, so the product never mixes them.
    highest = int(tag.max(initial=0)) + 1
    stated, column = np.unique(owners[videos][video] * highest + tag, return_inverse=True)
    carries = sparse.csr_array((np.ones(len(tag), np.int32), (video, column)), shape=(len(videos), len(stated)))
    carries.data[:] = 1  # a tag that a list repeats was added up
    both = sparse.triu(carries.T @ carries, k=1, format="coo")
    tag_of = (stated % highest).astype(np.int32)
    return tag_of[both.row], tag_of[both.col], both.data


def _both_ways(
    tags: int,
    rows: NDArray[np.int32],
    others: NDArray[np.int32],
    videos: NDArray[np.int32],
    uploaders: NDArray[np.int32],
) -> TagGraph:
    """Pairs with the lower row first, as a graph; weights of a pair that repeats are added."""
    once = [sparse.csr_array((weights, (rows, others)), shape=(tags, tags)) for weights in (videos, uploaders)]
    whole, sharing = (upper + upper.T for upper in once)  # a sum is in canonical form, so both have one order
    return TagGraph(whole, sharing.data)
