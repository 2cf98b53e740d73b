"""Extraction channel, the open vocabulary: phrases of the text that look like tags, in the catalog or not.

A phrase in the catalog is a candidate like any other. Another phrase gets a row after the rows of the catalog, for this
video only, and is marked as new until an editor or a rule adds it to the catalog.
"""

from collections.abc import Callable, Sequence

import numpy as np

from recall.channels.base import CatalogEdits
from recall.extract.extractor import TagExtractor
from recall.query import RecallQuery
from tagging.types import ChannelTags, Evidence, VideoEmbeddings

# Of a hundred names in a title few are as probable; of the correct ones among them (TED talks, KuaiRec captions), all
# but one in seventy are.
LEAST_PROBABILITY = 1e-3


class ExtractedTags:
    """Phrases of title and description, by the extractor's probability that they are tags."""

    name = "extracted"

    def __init__(self, extractor: TagExtractor, row_of: Callable[[str], int | None], tags: int, limit: int) -> None:
        """Look phrases up in a catalog.

        row_of: the catalog row of a spelling, None if the catalog lacks it
        tags:   rows of the catalog
        """
        self._extractor = extractor
        self._row_of = row_of
        self._tags = tags
        self._limit = limit

    def recall(self, queries: Sequence[RecallQuery]) -> list[ChannelTags | None]:
        return [self._recall(query.video) if query.video.text else None for query in queries]

    def with_tags(self, edits: CatalogEdits) -> "ExtractedTags":
        return ExtractedTags(self._extractor, edits.row_of, edits.tags, self._limit)

    def _recall(self, video: VideoEmbeddings) -> ChannelTags:
        scores: dict[int, float] = {}
        evidence: list[Evidence] = []
        new: dict[int, str] = {}
        found = self._extractor.propose(video.title, video.description, self._limit, LEAST_PROBABILITY)
        for phrase in found:  # most probable first
            row = self._row_of(phrase.name)
            if row is None:
                row = self._tags + len(new)
                new[row] = phrase.name
            if row not in scores:  # two spellings of one tag
                scores[row] = phrase.probability
                evidence.append(Evidence(self.name, "text", phrase.probability, text=phrase.text))
        tag_rows = np.array(list(scores), np.int64)
        return ChannelTags(tag_rows, np.array(list(scores.values()), np.float32), evidence=tuple(evidence), new=new)
