"""Exhaustive ranking: the whole catalog by cosine, which is ranking without recall.

A flat FAISS index of rows in half precision, as a bundle stores them: a search reads half as many bytes as in single
precision, and with 470,000 tags reading them takes most of the time.
"""

import faiss
import numpy as np
from numpy.typing import NDArray

AT_ONCE = 65_536  # rows copied to single precision at once

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


class ExhaustiveRanker:
    def __init__(self, tags: Floats, hidden: NDArray[np.bool_]) -> None:
        """
        tags:   (N, D) unit rows
        hidden: (N,) True for tags that are never returned
        """
        self._visible = np.flatnonzero(~hidden)
        half = faiss.ScalarQuantizer.QT_fp16
        self._index = faiss.IndexScalarQuantizer(tags.shape[1], half, faiss.METRIC_INNER_PRODUCT)
        for start in range(0, len(self._visible), AT_ONCE):
            self._index.add(tags[self._visible[start : start + AT_ONCE]])

    def search(self, videos: Floats, k: int) -> tuple[Rows, Floats]:
        """Return the (B, k) nearest tags of (B, D) unit rows and their cosines, best first.

        k is cut to the number of visible tags; ties are in the order of the catalog.
        """
        k = min(k, len(self._visible))
        if not len(videos) or not k:
            return np.zeros((len(videos), k), np.int64), np.zeros((len(videos), k), np.float32)
        cosines, positions = self._index.search(np.ascontiguousarray(videos), k)
        tags = self._visible[positions]
        order = np.lexsort((tags, -cosines))
        return np.take_along_axis(tags, order, axis=1), np.take_along_axis(cosines, order, axis=1)
