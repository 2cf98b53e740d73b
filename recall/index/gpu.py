"""GPU copy of a FAISS index, on the first GPU that FAISS sees. The CPU index is the one that is saved."""

import logging
import threading
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)


class GpuCopy:
    most = 2048  # most rows per query in FAISS's GPU kernels

    def __init__(self, index: Any, resources: Any) -> None:
        self._index = index
        self._resources = resources  # scratch memory; must outlive the copy
        self._lock = threading.Lock()  # threads share the scratch memory

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """(Q, D) -> scores (Q, k) and ids (Q, k), padded with -1."""
        with self._lock:
            scores, ids = self._index.search(queries, k)
        return scores, ids


def copy_to_gpu(index: Any) -> GpuCopy | None:
    """Copy an index to the GPU; None without a GPU or GPU support for its type.

    Of IVF-PQ the GPU gets the rows in half precision: it searches a million of them exactly in less than the time that
    a CPU takes for its cells, and FAISS has no GPU kernels for codes of 4 bits.
    """
    if not faiss.get_num_gpus() or isinstance(index, faiss.IndexHNSW):
        return None
    resources = faiss.StandardGpuResources()
    options = faiss.GpuClonerOptions()
    try:
        if isinstance(index, faiss.IndexRefine):
            options.useFloat16 = True
            rows = faiss.IndexFlatIP(index.d)
            rows.add(index.refine_index.reconstruct_n(0, index.ntotal))
            return GpuCopy(faiss.index_cpu_to_gpu(resources, 0, rows, options), resources)
        return GpuCopy(faiss.index_cpu_to_gpu(resources, 0, index, options), resources)
    except RuntimeError as error:
        logger.warning("searching on the CPU, the GPU cannot hold the index: %s", error)
        return None
