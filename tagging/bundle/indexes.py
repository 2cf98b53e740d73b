"""The vector indexes of a bundle: of each view of the labelled videos, and of the tags."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recall.channels.tag_similarity import TagSimilarity
from recall.index.base import VectorIndex
from recall.index.factory import build_index, load_index
from recall.model import RecallModel
from tagging.bundle.manifest import ChannelEntry
from tagging.config.recall import IndexConfig, RecallConfig
from tagging.types import VideoEmbeddings

# The channels of similar videos and what each looks at.
NEIGHBOUR_CHANNELS: dict[str, str] = {"text": "text", "video": "frames", "audio": "audio", "multimodal": "multimodal"}


@dataclass(frozen=True, slots=True, eq=False)
class RowIndex:
    """An index, and the labelled video, or for the similarity branch the tag, behind each of its rows."""

    index: VectorIndex
    rows: NDArray[np.int64]

    def save(self, folder: Path) -> None:
        """Into a folder that is made for it."""
        folder.mkdir(parents=True)
        self.index.save(folder)
        np.save(folder / "rows.npy", self.rows, allow_pickle=False)

    def entry(self) -> ChannelEntry:
        return ChannelEntry(metric="inner product", dim=self.index.dim, count=len(self.index))

    @classmethod
    def load(cls, folder: Path, config: IndexConfig, entry: ChannelEntry) -> "RowIndex":
        index = load_index(folder, config, entry.dim, entry.count)
        return cls(index, np.load(folder / "rows.npy", allow_pickle=False))


def build_video_indexes(embeddings: Sequence[VideoEmbeddings], config: RecallConfig, seed: int) -> dict[str, RowIndex]:
    """An index of each view that any of the labelled videos has."""
    indexes: dict[str, RowIndex] = {}
    for name, view in NEIGHBOUR_CHANNELS.items():
        present = [(place, video.rows[view]) for place, video in enumerate(embeddings) if view in video.rows]
        if present:
            places: NDArray[np.int64] = np.array([place for place, _ in present])
            indexes[name] = RowIndex(build_index(np.stack([row for _, row in present]), config.index, seed), places)
    return indexes


def build_tag_index(learnt: RecallModel, tags: NDArray[np.float32], config: RecallConfig, seed: int) -> RowIndex | None:
    """An index of the tags as the similarity branch sees them; None where it is not learnt."""
    if config.learnt is None or not config.learnt.similarity:
        return None
    points, tag_rows = TagSimilarity.rows(learnt, tags)
    return RowIndex(build_index(points, config.index, seed), tag_rows)
