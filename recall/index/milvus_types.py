"""Index types of Milvus, by the backend that uses them.

`milvus` is HNSW over rows of 4 bytes a number, in memory. `milvus-sq8` is IVF with one byte a number (SQ8), which
Milvus may map from disk into memory, for more rows than memory holds. All servers from 2.3 and milvus-lite have both;
recall/README.md says why not the other types.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from recall.index.hnsw import BUILD_BEAM, LINKS, beam

CELLS = 1_024  # of IVF in each segment (by default 512 or 1,024 MiB of rows); Milvus makes fewer in a small one
PROBED = 256  # cells that a search reads: one in four (recall/BENCHMARKS.md)


@dataclass(frozen=True, slots=True)
class IndexType:
    """An index type with its parameters. Milvus knows it by `name`."""

    name: str
    build: Mapping[str, object]
    search: Callable[[int], Mapping[str, object]]  # by the number of results
    widest: Mapping[str, object]  # of a search that has to find more rows than the first one reached
    mapped: bool  # from disk into memory; before 2.4 the server's configuration alone decides


INDEX_TYPES = {
    "milvus": IndexType(
        "HNSW",
        build={"M": LINKS, "efConstruction": BUILD_BEAM},
        search=lambda k: {"ef": beam(k)},
        widest={"ef": 32_768},  # the most that Milvus accepts
        mapped=False,
    ),
    "milvus-sq8": IndexType(
        "IVF_SQ8",
        build={"nlist": CELLS},
        search=lambda _: {"nprobe": PROBED},
        widest={"nprobe": CELLS},
        mapped=True,
    ),
}
