"""Exact search by FAISS: the same answers as NumPy, and the family that approximate and GPU indexes come from."""

from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from recall.index.base import SearchResult, check_rows


class FaissIndex:
    is_exact = True

    def __init__(self, index: faiss.Index) -> None:
        self._index = index
        self.dim = int(index.d)

    @classmethod
    def build(cls, rows: NDArray[np.float32]) -> "FaissIndex":
        rows = check_rows(rows)
        index = faiss.IndexFlatIP(rows.shape[1])
        index.add(rows)
        return cls(index)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, queries: NDArray[np.float32], k: int) -> SearchResult:
        queries = check_rows(queries, self.dim)
        scores, ids = self._index.search(queries, k)
        scores[ids < 0] = -np.inf  # FAISS pads with the lowest float32
        return SearchResult(ids, scores)

    def save(self, folder: Path) -> None:
        try:
            faiss.write_index(self._index, str(folder / "index.faiss"))
        except RuntimeError as error:  # a full disk
            raise OSError(f"cannot write {folder / 'index.faiss'}: {error}") from error

    @classmethod
    def load(cls, folder: Path) -> "FaissIndex":
        return cls(faiss.read_index(str(folder / "index.faiss")))
