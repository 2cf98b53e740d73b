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
from recall.neighbours.vote import background_of
from recall.query import RecallQuery
from tagging.bundle.manifest import ChannelEntry
from tagging.config.recall import IndexConfig, RecallConfig


@dataclass(frozen=True, slots=True, eq=False)
class RowIndex:
    """A vector index, and the labelled video, or for the tag-similarity channel the tag, of each of its rows."""

    index: VectorIndex
    rows: NDArray[np.int64]
    background: float = 0.0  # mean cosine of two labelled videos

    def save(self, folder: Path) -> None:
        """Write the index into a new folder."""
        folder.mkdir(parents=True)
        self.index.save(folder)
        np.save(folder / "rows.npy", self.rows, allow_pickle=False)

    def entry(self) -> ChannelEntry:
        return ChannelEntry(
            metric="inner product",
            dim=self.index.dim,
            count=len(self.index),
            background=self.background,
            backend=self.index.backend,
        )

    @classmethod
    def load(cls, folder: Path, config: IndexConfig, entry: ChannelEntry) -> "RowIndex":
        index = load_index(folder, config, entry.dim, entry.count)
        return cls(index, np.load(folder / "rows.npy", allow_pickle=False), entry.background)


def build_video_indexes(queries: Sequence[RecallQuery], config: RecallConfig, seed: int) -> dict[str, RowIndex]:
    """Build an index of each view that any of the labelled videos has, by channel."""
    indexes: dict[str, RowIndex] = {}
    for name, view in NEIGHBOUR_VIEWS.items():
        present = [row for row, video in enumerate(queries) if view in video.rows]
        if present:
            vectors = np.stack([queries[row].rows[view] for row in present])
            index = build_index(vectors, config.index, seed)
            indexes[name] = RowIndex(index, np.array(present, np.int64), background_of(vectors))
    return indexes


def build_tag_index(model: RecallModel, tags: NDArray[np.float32], config: RecallConfig, seed: int) -> RowIndex | None:
    """Build the index of the tag-similarity channel; None if the configuration does not train it.

    tags: (N, D) unit rows of the tag tower
    """
    if config.learnt is None or not config.learnt.similarity:
        return None
    points, tag_rows = TagSimilarity.index_rows(model, tags)
    return RowIndex(build_index(points, config.index, seed), tag_rows)
