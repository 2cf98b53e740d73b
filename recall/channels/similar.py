"""The channels of similar videos: labelled videos near in one embedding vote for their tags."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recall.index.base import Searchable
from recall.vote import vote
from tagging.config import RecallConfig
from tagging.types import ChannelTags, Neighbours, TagLists, VideoEmbeddings


class SimilarVideos:
    """Text, video, audio and multimodal channel alike; only the view and the index differ."""

    def __init__(
        self,
        name: str,
        view: str,
        index: Searchable,
        video_rows: NDArray[np.int64],
        tags: TagLists,
        uploaders: NDArray[np.int64],
        config: RecallConfig,
    ) -> None:
        """video_rows: (len(index),) the labelled video behind each row of the index; the rest as in `vote`."""
        if len(video_rows) != len(index):
            raise ValueError(f"{len(index)} index rows, video rows {video_rows.shape}")
        if len(video_rows) and not 0 <= video_rows.min() <= video_rows.max() < len(tags):
            raise ValueError(f"video rows from {video_rows.min()} to {video_rows.max()} of {len(tags)} videos")
        self.name = name
        self._view = view
        self._index = index
        self._video_rows = video_rows
        self._tags = tags
        self._uploaders = uploaders
        self._config = config

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[ChannelTags | None]:
        proposed: list[ChannelTags | None] = [None] * len(videos)
        present = [place for place, video in enumerate(videos) if self._view in video.rows]
        if not present:
            return proposed
        queries = np.stack([videos[place].rows[self._view] for place in present])
        result = self._index.search(queries, self._config.neighbours)
        for place, ids, scores in zip(present, result.ids, result.scores, strict=True):
            found = ids >= 0  # the index pads with -1
            neighbours = Neighbours(self._video_rows[ids[found]], scores[found])
            tag_rows, tag_scores = vote(neighbours, self._tags, self._uploaders, self._config.tags_per_channel)
            proposed[place] = ChannelTags(tag_rows, tag_scores, neighbours)
        return proposed
