"""Vector indexes of a bundle: one per view of the labelled videos, and one of the tags."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recall.channels.base import NEIGHBOUR_VIEWS
from recall.channels.tag_similarity import TagSimilarity
from recall.index.base import VectorIndex
from recall.index.factory import build_index, load_index
from recall.model import RecallModel
from recall.neighbours.space import NeighbourSpace
from recall.query import RecallQuery
from tagging.bundle.manifest import ChannelEntry
from tagging.config.recall import IndexConfig, RecallConfig


@dataclass(frozen=True, slots=True, eq=False)
class ViewIndex:
    """The index of a neighbour channel: labelled videos by one view, in the space that they are searched in."""

    index: VectorIndex  # rows of the space
    videos: NDArray[np.int64]  # the labelled video of each of its rows
    space: NeighbourSpace

    def __post_init__(self) -> None:
        if self.space.dim != self.index.dim:
            raise ValueError(f"rows of width {self.index.dim}, a centre of width {self.space.dim}")

    @classmethod
    def build(
        cls, vectors: NDArray[np.float32], videos: NDArray[np.int64], config: IndexConfig, seed: int
    ) -> "ViewIndex":
        """vectors: (n, D) unit rows of the encoder; videos: (n,)"""
        space = NeighbourSpace.around(vectors)
        return cls(build_index(space.rows(vectors), config, seed), videos, space)

    def save(self, folder: Path) -> None:
        """Write the index into a new folder."""
        _save(self.index, self.videos, folder)
        self.space.save(folder)

    def entry(self) -> ChannelEntry:
        return _entry(self.index)

    @classmethod
    def load(cls, folder: Path, config: IndexConfig, entry: ChannelEntry) -> "ViewIndex":
        index, videos = _load(folder, config, entry)
        return cls(index, videos, NeighbourSpace.load(folder))


@dataclass(frozen=True, slots=True, eq=False)
class TagIndex:
    """The index of the tag-similarity channel."""

    index: VectorIndex
    tags: NDArray[np.int64]  # the catalog row of each of its rows

    def save(self, folder: Path) -> None:
        """Write the index into a new folder."""
        _save(self.index, self.tags, folder)

    def entry(self) -> ChannelEntry:
        return _entry(self.index)

    @classmethod
    def load(cls, folder: Path, config: IndexConfig, entry: ChannelEntry) -> "TagIndex":
        return cls(*_load(folder, config, entry))


def _save(index: VectorIndex, rows: NDArray[np.int64], folder: Path) -> None:
    folder.mkdir(parents=True)
    index.save(folder)
    np.save(folder / "rows.npy", rows, allow_pickle=False)


def _load(folder: Path, config: IndexConfig, entry: ChannelEntry) -> tuple[VectorIndex, NDArray[np.int64]]:
    index = load_index(folder, config, entry.dim, entry.count)
    return index, np.load(folder / "rows.npy", allow_pickle=False)


def _entry(index: VectorIndex) -> ChannelEntry:
    return ChannelEntry(metric="inner product", dim=index.dim, count=len(index), backend=index.backend)


def build_video_indexes(queries: Sequence[RecallQuery], config: RecallConfig, seed: int) -> dict[str, ViewIndex]:
    """Build an index of each view that any of the labelled videos has, by channel."""
    indexes: dict[str, ViewIndex] = {}
    for name, view in NEIGHBOUR_VIEWS.items():
        present = [row for row, video in enumerate(queries) if view in video.rows]
        if present:
            vectors = np.stack([queries[row].rows[view] for row in present])
            indexes[name] = ViewIndex.build(vectors, np.array(present, np.int64), config.index, seed)
    return indexes


def build_tag_index(model: RecallModel, tags: NDArray[np.float32], config: RecallConfig, seed: int) -> TagIndex | None:
    """Build the index of the tag-similarity channel; None if the configuration does not train it.

    tags: (N, D) unit rows of the tag tower
    """
    if config.learnt is None or not config.learnt.similarity:
        return None
    points, tag_rows = TagSimilarity.index_rows(model, tags)
    return TagIndex(build_index(points, config.index, seed), tag_rows)
