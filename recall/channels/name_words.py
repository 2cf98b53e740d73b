"""The lexical leg of the text channel: labelled videos with the same n-grams vote, and names made of the text's words.

On real titles TF-IDF neighbours find more of the tags than neighbours by a pre-trained text encoder do
(recall/README.md); both are kept, as they miss different tags.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recall.model import text_of
from recall.name_words import MoreNames, NameWords
from recall.topk import best, first_of_each
from tagging.types import ChannelTags, Evidence, VideoEmbeddings


class NameWordsChannel:
    """Names all of whose words stand in the text, in any order, scored by how much of the text they cover."""

    name = "words"

    def __init__(self, words: NameWords | MoreNames, tag_rows: NDArray[np.int64], limit: int) -> None:
        """tag_rows: of the tag behind each name"""
        self._words = words
        self._tag_rows = tag_rows
        self._limit = limit

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[ChannelTags | None]:
        return [self._recall(video) if text_of(video) else None for video in videos]

    def _recall(self, video: VideoEmbeddings) -> ChannelTags:
        places, covered = self._words.within(text_of(video))
        rows, covered = first_of_each(self._tag_rows[places], covered)
        chosen = best(covered, rows, self._limit)
        whole = " ".join((video.title.strip() or video.description).split())
        evidence = tuple(Evidence(self.name, "text", float(covered[place]), text=whole) for place in chosen)
        return ChannelTags(rows[chosen], covered[chosen], evidence=evidence)
