"""Pool of videos: what topics are learnt from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tagging.types import CategorisedVideo, Indices, VideoEmbeddings


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """V videos with their labels and embeddings."""

    videos: Sequence[CategorisedVideo]
    embeddings: Sequence[VideoEmbeddings]  # V, without rows where nothing could be encoded

    def __post_init__(self) -> None:
        if len(self.videos) != len(self.embeddings):
            raise ValueError(f"{len(self.videos)} videos, {len(self.embeddings)} embeddings")

    def __len__(self) -> int:
        return len(self.videos)

    @property
    def tags(self) -> list[tuple[str, ...]]:
        return [video.tags for video in self.videos]

    def only(self, rows: Indices) -> "Pool":
        return Pool([self.videos[row] for row in rows.tolist()], [self.embeddings[row] for row in rows.tolist()])

    def uploaders(self) -> Indices:
        """Return (V,) equal numbers for videos of one uploader; a video without uploader counts as one of its own."""
        numbers: dict[tuple[bool, str], int] = {}
        owners = []
        for video in self.videos:
            uploader = video.video.uploader_id
            owner = (False, video.video.video_id) if uploader is None else (True, uploader)
            owners.append(numbers.setdefault(owner, len(numbers)))
        return np.array(owners, np.int64)
