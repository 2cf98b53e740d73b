"""Tag graph: two tags are joined by an edge if videos have both; its weight is the number of those videos.

A channel repeats its tags on all its videos, so the number of videos is a poor measure of how common a pair is: on
YouTube's trending videos 94 % of the edges come from a single channel. Each edge therefore also has the number of
uploaders, and `filter_edges` keeps the edges that enough of them share.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy import sparse

from tagging.ragged import Ragged, starts_of

PAIRS_AT_ONCE = 4_000_000  # ordered pairs of one uploader's tags in memory at once while a graph is built


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """The edges of one tag."""

    rows: NDArray[np.int32]  # (n,) catalog rows of its neighbours, rising
    videos: NDArray[np.int32]  # (n,) videos with both tags
    uploaders: NDArray[np.int32]  # (n,) uploaders of those videos


@dataclass(frozen=True, slots=True, eq=False)
class TagGraph:
    """N tags, by catalog row, and E edges, each stored from both its ends. No tag has an edge to itself."""

    videos: sparse.csr_array  # (N, N) int32, symmetric, canonical: the weights of the edges
    uploaders: NDArray[np.int32]  # (2E,) in the order of videos.data

    def __post_init__(self) -> None:
        rows, columns = self.videos.shape
        if rows != columns or self.uploaders.shape != self.videos.data.shape:
            raise ValueError(
                f"weights {self.videos.shape} with {self.videos.nnz} entries, uploaders {self.uploaders.shape}"
            )

    def __len__(self) -> int:
        return int(self.videos.shape[0])

    @property
    def edges(self) -> int:
        return int(self.videos.nnz) // 2

    @property
    def degrees(self) -> NDArray[np.int64]:
        """(N,) number of neighbours of each tag."""
        degrees: NDArray[np.int64] = np.diff(self.videos.indptr).astype(np.int64)
        return degrees

    def neighbours(self, row: int) -> Edges:
        edges = slice(self.videos.indptr[row], self.videos.indptr[row + 1])
        return Edges(self.videos.indices[edges], self.videos.data[edges], self.uploaders[edges])

    def filter_edges(self, min_videos: int = 1, min_uploaders: int = 1) -> "TagGraph":
        """Return the graph with the same tags, without the edges that fewer videos or uploaders share."""
        kept = (self.videos.data >= min_videos) & (self.uploaders >= min_uploaders)
        starts = starts_of(kept)[self.videos.indptr]
        arrays = (self.videos.data[kept], self.videos.indices[kept], starts.astype(self.videos.indptr.dtype))
        return TagGraph(sparse.csr_array(arrays, shape=self.videos.shape), self.uploaders[kept])

    def save(self, path: Path) -> None:
        """Write a Parquet table with one row per edge, from its lower catalog row."""
        rows = np.repeat(np.arange(len(self), dtype=np.int32), self.degrees)
        is_upper = rows < self.videos.indices
        columns = {"row": rows, "other": self.videos.indices, "videos": self.videos.data, "uploaders": self.uploaders}
        table = pa.table({name: pa.array(values[is_upper], pa.int32()) for name, values in columns.items()})
        table = table.replace_schema_metadata({"tags": str(len(self))})
        pq.write_table(table, path, compression="zstd", use_dictionary=False)

    @classmethod
    def load(cls, path: Path) -> "TagGraph":
        """Read a table that `save` wrote. Raises ValueError for impossible edges, OSError or LookupError otherwise."""
        table = pq.read_table(path)
        tags = int((table.schema.metadata or {})[b"tags"])
        rows, others, videos, uploaders = (table[name].to_numpy() for name in ("row", "other", "videos", "uploaders"))
        if len(rows) and not (rows.min() >= 0 and (rows < others).all() and others.max() < tags):
            raise ValueError(f"{path} has edges that do not join two of its {tags} tags")
        return _symmetric_graph(*(_upper(tags, rows, others, weights) for weights in (videos, uploaders)))


def build_graph(tags: Ragged, tag_count: int, uploaders: NDArray[np.integer] | None = None) -> TagGraph:
    """Build the graph of `tag_count` tags from the tags of V labelled videos.

    uploaders: (V,) equal for videos of one uploader; None: every video has a different uploader
    """
    owners = np.arange(len(tags)) if uploaders is None else np.unique(uploaders, return_inverse=True)[1]
    if owners.shape != (len(tags),):
        raise ValueError(f"{len(tags)} videos, uploaders {owners.shape}")
    videos = shared = sparse.csr_array((tag_count, tag_count), dtype=np.int32)
    for chunk in _chunks(tags, owners):  # added up chunk by chunk: many uploaders have the same pairs
        rows, others, counts = _tag_pairs(tags, owners, chunk)
        videos = videos + _upper(tag_count, rows, others, counts)
        shared = shared + _upper(tag_count, rows, others, np.ones_like(counts))
    return _symmetric_graph(videos, shared)


def _chunks(tags: Ragged, owners: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """Split the videos by uploader into chunks of at most PAIRS_AT_ONCE pairs, not counting the pairs of the first
    uploader.
    """
    by_owner = np.argsort(owners, kind="stable")
    pairs = np.bincount(owners, np.diff(tags.starts).astype(np.float64) ** 2)
    chunk_of_owner = (np.cumsum(pairs) // PAIRS_AT_ONCE).astype(np.int64)
    cuts = np.flatnonzero(np.diff(chunk_of_owner[owners[by_owner]])) + 1
    return np.split(by_owner, cuts)


def _tag_pairs(
    tags: Ragged, owners: NDArray[np.integer], videos: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Return each uploader's pairs of tags, the lower row first, and how many of its videos among these have both."""
    sizes = np.diff(tags.starts)[videos]
    video = np.repeat(np.arange(len(videos)), sizes)
    tag = tags.only(videos).values
    # The same tag of two uploaders is two columns, so the product never mixes uploaders.
    stride = int(tag.max(initial=0)) + 1
    owned, column = np.unique(owners[videos][video] * stride + tag, return_inverse=True)
    carries = sparse.csr_array((np.ones(len(tag), np.int32), (video, column)), shape=(len(videos), len(owned)))
    carries.data[:] = 1  # a tag that a video repeats was added up
    both = sparse.triu(carries.T @ carries, k=1, format="coo")
    tag_of_column = (owned % stride).astype(np.int32)
    return tag_of_column[both.row], tag_of_column[both.col], both.data


def _upper(
    tags: int, rows: NDArray[np.int32], others: NDArray[np.int32], weights: NDArray[np.int32]
) -> sparse.csr_array:
    """Return the weights (tags, tags) of pairs with the lower row first; those of a repeated pair are added."""
    return sparse.csr_array((weights, (rows, others)), shape=(tags, tags))


def _symmetric_graph(videos: sparse.csr_array, uploaders: sparse.csr_array) -> TagGraph:
    """Return the graph of the weights of the same pairs, each with the lower row first."""
    by_videos, by_uploaders = (half + half.T for half in (videos, uploaders))  # a sum is canonical: of one order
    return TagGraph(by_videos, by_uploaders.data)
