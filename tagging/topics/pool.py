"""Pool of videos: what topics are learnt from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tagging.types import CategorisedVideo, Indices, VideoEmbeddings


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """V videos with their labels and embeddings."""

    videos: Sequence[CategorisedVideo]
    embeddings: Sequence[VideoEmbeddings]  # V, without rows where nothing could be encoded
    # video id -> names and confidences of predicted tags, which count where people gave none
    predicted: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.videos) != len(self.embeddings):
            raise ValueError(f"{len(self.videos)} videos, {len(self.embeddings)} embeddings")

    def __len__(self) -> int:
        return len(self.videos)

    @property
    def tags(self) -> list[Mapping[str, float]]:
        """Names and confidences of each video's tags: those that people gave, else those that were predicted."""
        given = [certain([tag for tag in video.tags if tag.strip()]) for video in self.videos]
        return [
            tags or self.predicted.get(video.video.video_id, {}) for tags, video in zip(given, self.videos, strict=True)
        ]

    def only(self, rows: Indices) -> "Pool":
        chosen = rows.tolist()
        return Pool([self.videos[row] for row in chosen], [self.embeddings[row] for row in chosen], self.predicted)

    def uploaders(self) -> Indices:
        """Return (V,) equal numbers for videos of one uploader; a video without uploader counts as one of its own."""
        numbers: dict[tuple[bool, str], int] = {}
        owners = []
        for video in self.videos:
            uploader = video.video.uploader_id
            owner = (False, video.video.video_id) if uploader is None else (True, uploader)
            owners.append(numbers.setdefault(owner, len(numbers)))
        return np.array(owners, np.int64)


def certain(tags: Sequence[str]) -> dict[str, float]:
    """Return tags that people gave as names with confidence 1."""
    return dict.fromkeys(tags, 1.0)
