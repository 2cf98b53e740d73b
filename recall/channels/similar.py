"""The channels of similar videos: labelled videos near in one embedding vote for their tags."""

from collections.abc import Sequence

import numpy as np

from recall.neighbours.search import VideoSearch
from recall.neighbours.table import LabelledTable
from recall.neighbours.vote import vote
from tagging.config.recall import RecallConfig
from tagging.types import ChannelTags, VideoEmbeddings


class VideoNeighbours:
    """Text, video, audio and multimodal channel alike; only the view differs."""

    def __init__(self, name: str, near: VideoSearch, voters: LabelledTable, config: RecallConfig) -> None:
        self.name = name
        self._near = near
        self._voters = voters
        self._config = config

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[ChannelTags | None]:
        proposed: list[ChannelTags | None] = [None] * len(videos)
        present = [place for place, video in enumerate(videos) if self._near.view in video.rows]
        if not present:
            return proposed
        queries = np.stack([videos[place].rows[self._near.view] for place in present])
        found = self._near.nearest(queries, self._config.neighbours)
        for place, neighbours in zip(present, found, strict=True):
            tag_rows, tag_scores = vote(neighbours, self._voters, self._config.tags_per_channel)
            proposed[place] = ChannelTags(tag_rows, tag_scores, neighbours)
        return proposed
