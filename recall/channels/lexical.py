"""The lexical leg of the text channel: labelled videos with the same n-grams vote, and names made of the text's words.

On real titles TF-IDF neighbours find more of the tags than neighbours by a pre-trained text encoder do
(recall/README.md); both are kept, as they miss different tags.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recall.best import best
from recall.learnt import text_of
from recall.lexical import NameWords
from recall.ngrams import NgramFeatures
from recall.vote import vote
from tagging.config import RecallConfig
from tagging.types import ChannelTags, Evidence, Neighbours, TagLists, VideoEmbeddings


class SimilarTexts:
    """Labelled videos whose texts share rare n-grams with the query's; cosine of TF-IDF rows."""

    name = "lexical"

    def __init__(
        self,
        features: NgramFeatures,
        texts: sparse.csr_matrix,
        tags: TagLists,
        uploaders: NDArray[np.int64],
        config: RecallConfig,
    ) -> None:
        """texts: (V, F) unit rows of the labelled videos; the rest as in `vote`."""
        if texts.shape != (len(tags), features.width):
            raise ValueError(f"texts {texts.shape} of {len(tags)} videos and {features.width} n-grams")
        self._features = features
        self._videos_of = texts.T.tocsr()  # n-gram -> videos, as in any text index
        self._tags = tags
        self._uploaders = uploaders
        self._config = config

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[ChannelTags | None]:
        queries = self._features.transform([text_of(video) for video in videos])
        proposed: list[ChannelTags | None] = []
        for place in range(len(videos)):
            query = queries[place]
            if not query.nnz:
                proposed.append(None)
                continue
            cosines = query @ self._videos_of
            order = best(cosines.data, cosines.indices, self._config.neighbours)
            near = Neighbours(cosines.indices[order].astype(np.int64), cosines.data[order].astype(np.float32))
            rows, scores = vote(near, self._tags, self._uploaders, self._config.tags_per_channel)
            proposed.append(ChannelTags(rows, scores, near))
        return proposed


class NamesWithin:
    """Names all of whose words stand in the text, in any order, scored by how much of the text they cover."""

    name = "words"

    def __init__(self, words: NameWords, limit: int) -> None:
        self._words = words
        self._limit = limit

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[ChannelTags | None]:
        return [self._recall(video) if text_of(video) else None for video in videos]

    def _recall(self, video: VideoEmbeddings) -> ChannelTags:
        rows, covered = self._words.within(text_of(video))
        chosen = best(covered, rows, self._limit)
        whole = " ".join((video.title.strip() or video.description).split())
        evidence = tuple(Evidence(self.name, "text", float(covered[place]), text=whole) for place in chosen)
        return ChannelTags(rows[chosen], covered[chosen], evidence=evidence)
