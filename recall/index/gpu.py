"""A FAISS index copied to the first GPU, where FAISS sees one. What is saved stays the index on the CPU."""

import logging
import threading
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)


class GpuCopy:
    most = 2048  # rows or candidates of one answer; FAISS' GPU kernels give no more

    def __init__(self, index: Any, resources: Any) -> None:
        self._index = index
        self._resources = resources  # scratch memory, which must live as long as the copy
        self._one_at_a_time = threading.Lock()  # two threads would write into the same scratch memory

    def search(
        self, queries: NDArray[np.float32], k: int, params: Any = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """(Q, D) -> scores (Q, k) and ids (Q, k), -1 where there are none."""
        with self._one_at_a_time:
            scores, ids = self._index.search(queries, k, params=params)
        return scores, ids


def copy_to_gpu(index: Any) -> GpuCopy | None:
    """None: there is no GPU, or FAISS has no such index for it. Rows that refine an answer stay on the CPU."""
    if not faiss.get_num_gpus() or isinstance(index, faiss.IndexHNSW):
        return None
    resources = faiss.StandardGpuResources()
    options = faiss.GpuClonerOptions()
    try:
        if isinstance(index, faiss.IndexRefine):
            options.useFloat16 = True  # the tables of 64 codebooks fit into a block's shared memory only as halves
            cells = faiss.index_cpu_to_gpu(resources, 0, faiss.downcast_index(index.base_index), options)
            return GpuCopy(faiss.IndexRefine(cells, faiss.downcast_index(index.refine_index)), resources)
        return GpuCopy(faiss.index_cpu_to_gpu(resources, 0, index, options), resources)
    except RuntimeError as error:
        logger.warning("searching on the CPU, as the GPU cannot take the index: %s", error)
        return None
