"""Channel 4, the multimodal classifier: its linear branch over known tags, and its similarity branch over all names."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recall.channels.classifier import _hidden
from recall.index.base import Searchable
from recall.index.products import unit_queries, unit_rows
from recall.model import Floats, RecallModel
from tagging.types import ChannelTags, VideoEmbeddings


class TagSimilarity:
    """Every tag of the catalog by the tag tower's reading of its name, known from training or not.

    Scores are probabilities among the tags that are proposed, as an index does not see the others.
    """

    name = "similarity"

    def __init__(self, learnt: RecallModel, index: Searchable, tag_rows: NDArray[np.int64], limit: int) -> None:
        """index: of the rows that `rows` makes; tag_rows: (len(index),) the tag behind each of them."""
        if len(tag_rows) != len(index):
            raise ValueError(f"{len(index)} index rows, tag rows {tag_rows.shape}")
        self._learnt = learnt
        self._index = index
        self._tag_rows = tag_rows
        self._limit = limit

    def over(self, index: Searchable, tag_rows: NDArray[np.int64]) -> "TagSimilarity":
        """The same over other tags."""
        return TagSimilarity(self._learnt, index, tag_rows, self._limit)

    @staticmethod
    def rows(learnt: RecallModel, tags: Floats) -> tuple[Floats, NDArray[np.int64]]:
        """What an index for this channel holds, and the tag behind each of its rows.

        tags: (N, D) unit rows of the tag tower; those of which nothing is known are zeros and are left out.
        """
        tag_rows = np.flatnonzero(tags.any(axis=1))
        return unit_rows(learnt.tag_points(tags, tag_rows), learnt.longest()), tag_rows

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[ChannelTags | None]:
        proposed: list[ChannelTags | None] = [None] * len(videos)
        places, hidden = _hidden(videos)
        if not len(places):
            return proposed
        points = self._learnt.video_points(hidden)
        result = self._index.search(unit_queries(points), self._limit)
        lengths = self._learnt.longest() * np.linalg.norm(points, axis=1)
        for place, ids, cosines, length in zip(places, result.ids, result.scores, lengths, strict=True):
            found = ids >= 0  # the index pads with -1
            likely = np.exp((cosines[found] - cosines[found].max(initial=-1.0)) * length)
            proposed[place] = ChannelTags(self._tag_rows[ids[found]], likely / max(likely.sum(), 1.0))
        return proposed
