"""Feature store: encoder outputs on disk, so that no content is decoded or encoded twice.

    ROOT/<modality>/<fingerprint>/<shard>.parquet     key, length, values (fp16), warnings
    ROOT/<speech or screen>/<fingerprint>/            key, passages, warnings (passages.py)

A key is the sha256 of the content; the fingerprint covers everything else that affects the features. Shards are written
under a temporary name and renamed, so a killed extraction loses at most the rows it had not flushed and leaves no
partial shard; several processes may add to one table.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tagging.ragged import starts_of
from tagging.store.passages import PassageTable
from tagging.store.shard_table import ShardTable
from tagging.types import Modality, PassageSource


@dataclass(frozen=True, slots=True, eq=False)
class StoredFeatures:
    """Tokens of one content, None if there was nothing to encode, and warnings for the user."""

    tokens: NDArray[np.float16] | None  # (T, D)
    warnings: tuple[str, ...] = ()


class FeatureTable(ShardTable[StoredFeatures]):
    """All features of one modality made by one encoder with one sampling."""

    def __init__(self, folder: Path, dim: int) -> None:
        super().__init__(folder)
        self._dim = dim

    def add(self, key: str, value: StoredFeatures) -> None:
        """Add the features of a new key, as `ShardTable.add`. Raises ValueError for tokens of another width."""
        if value.tokens is not None and (value.tokens.ndim != 2 or value.tokens.shape[1] != self._dim):
            raise ValueError(f"tokens {value.tokens.shape}, expected (T, {self._dim})")
        super().add(key, value)

    def _bytes(self, value: StoredFeatures) -> int:
        return 0 if value.tokens is None else value.tokens.size * np.dtype(np.float16).itemsize

    def _columns(self, values: Sequence[StoredFeatures]) -> dict[str, pa.Array]:
        flat = [None if f.tokens is None else f.tokens.astype(np.float16).ravel() for f in values]
        return {
            "length": pa.array([0 if f.tokens is None else len(f.tokens) for f in values], pa.int32()),
            "values": _float16_lists(flat),
            "warnings": pa.array([list(f.warnings) for f in values], pa.list_(pa.string())),
        }

    def _values(self, table: pa.Table, wanted: set[str]) -> Iterator[tuple[str, StoredFeatures]]:
        values = table["values"].combine_chunks()
        offsets, flat = values.offsets.to_numpy(), values.values.to_numpy()
        lengths, warnings = table["length"].to_numpy(), table["warnings"].to_pylist()
        for row, key in enumerate(table["key"].to_pylist()):
            if key not in wanted:
                continue
            tokens = None
            if lengths[row]:
                tokens = flat[offsets[row] : offsets[row + 1]].reshape(lengths[row], self._dim)
                if not np.isfinite(tokens).all():
                    raise ValueError(f"values of {key} are not finite")
            yield key, StoredFeatures(tokens, tuple(warnings[row]))


class FeatureStore:
    """The tables under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def table(self, modality: Modality, fingerprint: str, dim: int) -> FeatureTable:
        return FeatureTable(self.root / modality / fingerprint, dim)

    def passages(self, source: PassageSource, fingerprint: str) -> PassageTable:
        return PassageTable(self.root / source / fingerprint)


def _float16_lists(rows: Sequence[NDArray[np.float16] | None]) -> pa.Array:
    lengths = [0 if row is None else row.size for row in rows]
    offsets = starts_of(lengths).astype(np.int32)
    present = [row for row in rows if row is not None]
    flat = np.concatenate(present) if present else np.zeros(0, np.float16)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))
