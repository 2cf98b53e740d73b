"""Name-words channel: tags whose names' words all occur in the text, in any order."""

from collections.abc import Sequence

from recall.channels.base import CatalogEdits, Channel
from recall.channels.edited import MergedChannel
from recall.name_words import AddedNames, NameWords
from recall.query import RecallQuery
from recall.topk import first_of_each, top_k
from tagging.types import ChannelTags, Evidence, Indices, VideoEmbeddings


class NameWordsChannel:
    """Propose names whose words all occur in the text, scored by the share of the text that they cover."""

    name = "words"

    def __init__(self, words: NameWords | AddedNames, tag_rows: Indices, limit: int) -> None:
        """tag_rows: the tag of each name"""
        self._words = words
        self._tag_rows = tag_rows
        self._limit = limit

    def recall(self, queries: Sequence[RecallQuery]) -> list[ChannelTags | None]:
        return [self._recall(query.video) if query.video.text else None for query in queries]

    def with_tags(self, edits: CatalogEdits) -> Channel:
        if not len(edits.added.names) or not isinstance(self._words, NameWords):
            return self
        words = AddedNames(edits.added.names, self._words)
        return MergedChannel(self, NameWordsChannel(words, edits.added.tag_rows, self._limit), self._limit)

    def _recall(self, video: VideoEmbeddings) -> ChannelTags:
        names, covered = self._words.within(video.text)
        tag_rows, covered = first_of_each(self._tag_rows[names], covered)
        chosen = top_k(covered, tag_rows, self._limit)
        whole = video.title.strip() or video.description.strip()
        evidence = tuple(Evidence(self.name, "text", float(covered[index]), text=whole) for index in chosen)
        return ChannelTags(tag_rows[chosen], covered[chosen], evidence=evidence)
