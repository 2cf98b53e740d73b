"""Video-neighbour channels: labelled videos close in one embedding space vote for their tags."""

from collections.abc import Sequence

import numpy as np

from recall.channels.base import UneditedChannel
from recall.neighbours.search import VideoSearch
from recall.neighbours.table import LabelledTable
from recall.neighbours.vote import nearest_without, vote
from recall.query import RecallQuery
from tagging.config.recall import RecallConfig
from tagging.types import ChannelTags


class VideoNeighbours(UneditedChannel):
    """The text, video, audio and multimodal channels, which differ in the view that they search."""

    def __init__(self, name: str, search: VideoSearch, table: LabelledTable, config: RecallConfig) -> None:
        self.name = name
        self._search = search
        self._table = table
        self._config = config

    def recall(self, queries: Sequence[RecallQuery]) -> list[ChannelTags | None]:
        proposed: list[ChannelTags | None] = [None] * len(queries)
        present = [index for index, query in enumerate(queries) if self._search.view in query.rows]
        if not present:
            return proposed
        rows = np.stack([queries[index].rows[self._search.view] for index in present])
        left_out = [queries[index].left_out for index in present]
        limit = self._config.neighbours
        found = self._search.nearest(rows, limit + max(map(len, left_out)))
        for index, near, excluded in zip(present, found, left_out, strict=True):
            neighbours = nearest_without(near, excluded, limit)
            tag_rows, scores = vote(neighbours, self._table, self._config.tags_per_channel)
            proposed[index] = ChannelTags(tag_rows, scores, neighbours)
        return proposed
