"""FAISS indexes: exact search, HNSW, and IVF-PQ (Jégou et al. 2011) with 4-bit codes that are scanned in registers
(André et al. 2017, "Accelerated nearest neighbor search with Quick ADC").

A saved file states its own type and is the same whether it was built with or without a GPU.
"""

import logging
import math
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from recall.index.base import SearchResult, check_rows
from recall.index.gpu import copy_to_gpu
from recall.index.hnsw import BUILD_BEAM, LINKS, beam
from tagging.errors import ArtifactCorruptError, ArtifactMismatchError
from tagging.types import FloatRows, Indices

logger = logging.getLogger(__name__)

FILE = "index.faiss"
Found = tuple[FloatRows, Indices]  # scores (Q, k) and ids (Q, k), padded with -1

# IVF-PQ: k-means warns below 39 rows a centroid. More rows or rounds find no more neighbours (recall/BENCHMARKS.md).
ROWS_A_CENTROID = 39
LEAST_ROWS = 256 * ROWS_A_CENTROID
ROUNDS = 10
PART = 2  # dimensions a code of 4 bits
LEAST_PROBES = 64
PROBED_SHARE = 8  # probe one cell in this many
LEAST_CANDIDATES = 400


def build_flat(rows: FloatRows) -> "FaissIndex":
    rows = check_rows(rows)
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    return FaissIndex(index)


def build_hnsw(rows: FloatRows) -> "HnswIndex":
    rows = check_rows(rows)
    index = faiss.IndexHNSWFlat(rows.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)  # its default is L2
    index.hnsw.efConstruction = BUILD_BEAM
    index.add(rows)
    return HnswIndex(index)


def build_ivf_pq(rows: FloatRows, seed: int) -> "FaissIndex":
    """Build IVF-PQ with fp16 refinement; fewer than LEAST_ROWS rows are indexed exactly instead, with a warning."""
    rows = check_rows(rows)
    if len(rows) < LEAST_ROWS:
        logger.warning("ivf-pq needs %d rows for training; these %d are searched exactly", LEAST_ROWS, len(rows))
        return build_flat(rows)
    dim = rows.shape[1]
    cells = min(round(4 * math.sqrt(len(rows))), len(rows) // ROWS_A_CENTROID)
    parts = dim // PART if dim % PART == 0 else dim
    coarse = faiss.IndexFlatIP(dim)
    quantised = faiss.IndexIVFPQFastScan(coarse, dim, cells, parts, 4, faiss.METRIC_INNER_PRODUCT)
    for learning in (quantised.cp, quantised.pq.cp):
        learning.seed = seed
        learning.max_points_per_centroid = ROWS_A_CENTROID
    quantised.cp.niter = ROUNDS
    quantised.nprobe = max(LEAST_PROBES, cells // PROBED_SHARE)
    half = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index = faiss.IndexRefine(quantised, half)
    index.train(rows)
    index.add(rows)
    return IvfPqIndex(index)


class FaissIndex:
    """Exact inner product, on a GPU if FAISS finds one."""

    backend = "faiss"
    is_exact = True

    def __init__(self, index: Any) -> None:
        self._index = index
        self._gpu = copy_to_gpu(index)
        self.dim = int(index.d)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def search(self, queries: FloatRows, k: int) -> SearchResult:
        queries = check_rows(queries, self.dim)
        ids = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        found = min(k, len(self))
        if not found or not len(queries):
            return SearchResult(ids, scores)
        scores[:, :found], ids[:, :found] = self._nearest(queries, found)
        # -1 pads: the probed cells, or the visited part of the graph, hold fewer than k rows
        short = np.flatnonzero((ids[:, :found] < 0).any(axis=1))
        if len(short):
            scores[short, :found], ids[short, :found] = self._among_all(queries[short], found)
        return SearchResult(ids, scores)

    def rows(self) -> FloatRows:
        return np.asarray(self._index.reconstruct_n(0, len(self)), np.float32)

    def save(self, folder: Path) -> None:
        try:
            faiss.write_index(self._index, str(folder / FILE))
        except RuntimeError as error:  # a full disk
            raise OSError(f"cannot write {folder / FILE}: {_reason(error)}") from error

    def _nearest(self, queries: FloatRows, k: int) -> Found:
        if self._gpu is not None and k <= self._gpu.most:
            return self._gpu.search(queries, k)
        return self._among_all(queries, k)

    def _among_all(self, queries: FloatRows, k: int) -> Found:
        scores, ids = self._index.search(queries, k)
        return scores, ids


class HnswIndex(FaissIndex):
    """An HNSW graph, always on the CPU.

    Levels are drawn with a fixed seed, but threads link rows in a varying order, so two builds may miss different
    neighbours.
    """

    backend = "hnsw"
    is_exact = False

    def _nearest(self, queries: FloatRows, k: int) -> Found:
        scores, ids = self._index.search(queries, k, params=faiss.SearchParametersHNSW(efSearch=beam(k)))
        return scores, ids

    def _among_all(self, queries: FloatRows, k: int) -> Found:
        scores, ids = faiss.downcast_index(self._index.storage).search(queries, k)
        return scores, ids


class IvfPqIndex(FaissIndex):
    """IVF-PQ candidates, re-ranked by the same rows in half precision; a GPU searches all of these rows.

    Without the re-ranking recall is much lower. Scores are accurate to 5e-4.
    """

    backend = "ivf-pq"
    is_exact = False

    def _nearest(self, queries: FloatRows, k: int) -> Found:
        if self._gpu is not None and k <= self._gpu.most:
            return self._gpu.search(queries, k)
        look = faiss.IndexRefineSearchParameters(k_factor=max(LEAST_CANDIDATES, 4 * k) / k)
        scores, ids = self._index.search(queries, k, params=look)
        return scores, ids

    def _among_all(self, queries: FloatRows, k: int) -> Found:
        scores, ids = faiss.downcast_index(self._index.refine_index).search(queries, k)
        return scores, ids


KINDS: dict[type, type[FaissIndex]] = {
    faiss.IndexFlatIP: FaissIndex,
    faiss.IndexHNSWFlat: HnswIndex,
    faiss.IndexRefine: IvfPqIndex,
}


def load(folder: Path) -> FaissIndex:
    """Load the FAISS index saved in a folder, of whichever type.

    Raises ArtifactCorruptError for an unreadable file and ArtifactMismatchError for another type or metric.
    """
    path = folder / FILE
    try:
        index = faiss.read_index(str(path))
    except RuntimeError as error:
        raise ArtifactCorruptError(
            f"{path} cannot be read: {_reason(error)}", "restore it, or build the index again"
        ) from error
    kind = KINDS.get(type(index))
    if kind is None or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise ArtifactMismatchError(
            f"{path} holds a FAISS {type(index).__name__} of metric {index.metric_type}, expected one of "
            f"{', '.join(known.__name__ for known in KINDS)} of metric {faiss.METRIC_INNER_PRODUCT}",
            "restore it, or build the index again",
        )
    return kind(index)


def _reason(error: RuntimeError) -> str:
    """Return the message without the location in FAISS's source that precedes it."""
    return str(error).rpartition("Error: ")[2]
