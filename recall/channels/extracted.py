"""The open vocabulary: phrases of the text that look like tags, known to the catalog or not.

A phrase that the catalog knows is a candidate like any other; one that it does not know gets a row of its own beyond
the catalog's, for this video alone, and is marked as new until an editor or a rule takes it into the catalog.
"""

from collections.abc import Callable, Sequence

import numpy as np

from recall.extract.extractor import TagExtractor
from recall.model import text_of
from tagging.types import ChannelTags, Evidence, VideoEmbeddings

Spelled = Callable[[str], int | None]


class ExtractedTags:
    name = "extracted"

    def __init__(self, extractor: TagExtractor, row_spelled: Spelled, tags: int, limit: int) -> None:
        """row_spelled: the catalog's row of a spelling, of so many tags; None for one that it does not know"""
        self._extractor = extractor
        self._row_spelled = row_spelled
        self._tags = tags
        self._limit = limit

    def spelled_otherwise(self, row_spelled: Spelled, tags: int) -> "ExtractedTags":
        """The same over a catalog that was edited."""
        return ExtractedTags(self._extractor, row_spelled, tags, self._limit)

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[ChannelTags | None]:
        return [self._recall(video) if text_of(video) else None for video in videos]

    def _recall(self, video: VideoEmbeddings) -> ChannelTags:
        scores: dict[int, float] = {}
        evidence: list[Evidence] = []
        new: dict[int, str] = {}
        for phrase in self._extractor.propose(video.title, video.description, self._limit):  # likeliest first
            row = self._row_spelled(phrase.name)
            if row is None:
                row = self._tags + len(new)
                new[row] = phrase.name
            if row not in scores:  # two spellings of one tag
                scores[row] = phrase.probability
                evidence.append(Evidence(self.name, "text", phrase.probability, text=phrase.text))
        rows = np.array(list(scores), np.int64)
        return ChannelTags(rows, np.array(list(scores.values()), np.float32), evidence=tuple(evidence), new=new)
