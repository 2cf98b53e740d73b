"""Lexical-neighbour channel: labelled videos whose texts share n-grams with the query vote for their tags.

On real titles, TF-IDF neighbours find more tags than the neighbours of a pre-trained text encoder do
(recall/BENCHMARKS.md); both are kept, as they miss different tags.
"""

from collections.abc import Sequence

from recall.channels.base import UneditedChannel
from recall.neighbours.search import TextSearch
from recall.neighbours.table import LabelledTable
from recall.neighbours.vote import nearest_without, vote
from recall.query import RecallQuery
from tagging.config.recall import RecallConfig
from tagging.types import ChannelTags


class TextNeighbours(UneditedChannel):
    """Labelled videos whose texts share rare n-grams with the query's text."""

    name = "lexical"

    def __init__(self, search: TextSearch, table: LabelledTable, config: RecallConfig) -> None:
        self._search = search
        self._table = table
        self._config = config

    def recall(self, queries: Sequence[RecallQuery]) -> list[ChannelTags | None]:
        proposed: list[ChannelTags | None] = []
        limit = self._config.neighbours
        extra = max((len(query.left_out) for query in queries), default=0)
        found = self._search.nearest([query.video.text for query in queries], limit + extra)
        for query, near in zip(queries, found, strict=True):
            if near is None:
                proposed.append(None)
                continue
            neighbours = nearest_without(near, query.left_out, limit)
            tag_rows, scores = vote(neighbours, self._table, self._config.tags_per_channel)
            proposed.append(ChannelTags(tag_rows, scores, neighbours))
        return proposed
