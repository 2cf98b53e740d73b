"""Regression channel: tags by kernel ridge regression, over tags known from training."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from recall.channels.base import UneditedChannel
from recall.model import Views, dense_rows
from recall.query import RecallQuery
from recall.regression import KernelRidge
from recall.topk import top_k
from tagging.types import ChannelTags


class Regression(UneditedChannel):
    """Tags that several uploaders use; scores are estimates of their probability.

    It reads no video without text: fitted on videos that have text, it leaves little to the other views.
    """

    name = "regression"

    def __init__(self, ridge: KernelRidge, limit: int) -> None:
        self._ridge = ridge
        self._limit = limit

    def recall(self, queries: Sequence[RecallQuery]) -> list[ChannelTags | None]:
        proposed: list[ChannelTags | None] = [None] * len(queries)
        known = [(index, query) for index, query in enumerate(queries) if query.ngrams and len(query.ngrams.columns)]
        if known:
            scores = self._ridge.scores(self._views([query for _, query in known]))
            for (index, _), row in zip(known, scores, strict=True):
                chosen = top_k(row, self._ridge.labels, self._limit)
                chosen = chosen[row[chosen] > 0]
                proposed[index] = ChannelTags(self._ridge.labels[chosen], np.minimum(row[chosen], 1))
        return proposed

    def _views(self, queries: Sequence[RecallQuery]) -> Views:
        width = self._ridge.ngrams
        ngrams = sparse.vstack([query.ngrams.matrix(width) for query in queries if query.ngrams is not None], "csr")
        videos = [query.video for query in queries]
        return Views.of(ngrams, {view: dense_rows(videos, view, dim) for view, dim in self._ridge.views.items()})
