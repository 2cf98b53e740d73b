"""Lexical-neighbour channel: labelled videos whose texts share n-grams with the query vote for their tags.

On real titles, TF-IDF neighbours find more tags than the neighbours of a pre-trained text encoder do
(recall/BENCHMARKS.md); both are kept, as they miss different tags.
"""

from collections.abc import Sequence

from recall.channels.base import UneditedChannel
from recall.neighbours.table import LabelledTable
from recall.neighbours.text_search import TextSearch
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
        for query in queries:
            if query.ngrams is None or not len(query.ngrams.columns):
                proposed.append(None)
                continue
            near = self._search.nearest(query.ngrams, limit + len(query.left_out))
            neighbours = nearest_without(near, query.left_out, limit)
            tag_rows, scores = vote(neighbours, self._table, self._config.tags_per_channel)
            proposed.append(ChannelTags(tag_rows, scores, neighbours))
        return proposed
