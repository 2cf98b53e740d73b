"""The whole catalog in the order of the cosine: what ranking would be without recall.

FAISS's flat index of rows in half precision, as a bundle keeps them: a video reads half as many bytes as in single,
and of 470,000 tags that is what takes the time.
"""

import faiss
import numpy as np
from numpy.typing import NDArray

AT_ONCE = 65_536  # rows that are there in single precision, too

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]


class ExhaustiveRanker:
    def __init__(self, tags: Floats, hidden: NDArray[np.bool_]) -> None:
        """tags: (N, D) unit rows; hidden: (N,) True for tags that are never answered"""
        self._visible = np.flatnonzero(~hidden)
        half = faiss.ScalarQuantizer.QT_fp16
        self._index = faiss.IndexScalarQuantizer(tags.shape[1], half, faiss.METRIC_INNER_PRODUCT)
        for start in range(0, len(self._visible), AT_ONCE):
            self._index.add(tags[self._visible[start : start + AT_ONCE]])

    def search(self, rows: Floats, k: int) -> tuple[Rows, Floats]:
        """(B, D) unit rows of videos -> the (B, k) nearest tags, and their cosines, best first; fewer than k, where
        there are fewer. Of equally near ones the first of the catalog comes first.
        """
        k = min(k, len(self._visible))
        if not len(rows) or not k:
            return np.zeros((len(rows), k), np.int64), np.zeros((len(rows), k), np.float32)
        near, places = self._index.search(np.ascontiguousarray(rows), k)
        best = self._visible[places]
        order = np.lexsort((best, -near))
        return np.take_along_axis(best, order, axis=1), np.take_along_axis(near, order, axis=1)
