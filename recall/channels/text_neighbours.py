"""The lexical leg of the text channel: labelled videos with the same n-grams vote, and names made of the text's words.

On real titles TF-IDF neighbours find more of the tags than neighbours by a pre-trained text encoder do
(recall/README.md); both are kept, as they miss different tags.
"""

from collections.abc import Sequence

from recall.model import text_of
from recall.neighbours.search import TextSearch
from recall.neighbours.table import LabelledTable
from recall.neighbours.vote import vote
from tagging.config.recall import RecallConfig
from tagging.types import ChannelTags, VideoEmbeddings


class TextNeighbours:
    """Labelled videos whose texts share rare n-grams with the query's."""

    name = "lexical"

    def __init__(self, near: TextSearch, voters: LabelledTable, config: RecallConfig) -> None:
        self._near = near
        self._voters = voters
        self._config = config

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[ChannelTags | None]:
        proposed: list[ChannelTags | None] = []
        for neighbours in self._near.nearest([text_of(video) for video in videos], self._config.neighbours):
            if neighbours is None:
                proposed.append(None)
                continue
            rows, scores = vote(neighbours, self._voters, self._config.tags_per_channel)
            proposed.append(ChannelTags(rows, scores, neighbours))
        return proposed
