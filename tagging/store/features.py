"""Feature store: encoder outputs on disk, so that no content is decoded or encoded twice.

    ROOT/<modality>/<fingerprint>/<shard>.parquet     key, length, values (fp16), warnings
    ROOT/<speech or screen>/<fingerprint>/            key, passages, warnings (passages.py)

A key is the sha256 of the content; the fingerprint covers everything else that affects the features. Shards are written
under a temporary name and renamed, so a killed extraction loses at most the rows it had not flushed and leaves no
partial shard; several processes may add to one table.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tagging.ragged import starts_of
from tagging.store.passages import PassageTable
from tagging.store.shards import damaged, open_shard, shards_of, stored_keys, write_shard
from tagging.types import Modality, PassageSource

logger = logging.getLogger(__name__)

FLUSH_ROWS = 4096
FLUSH_VALUES = 32 * 2**20  # pending fp16 values, 64 MiB
FLUSH_AFTER_S = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class StoredFeatures:
    """Tokens of one content, None if there was nothing to encode, and warnings for the user."""

    tokens: NDArray[np.float16] | None  # (T, D)
    warnings: tuple[str, ...] = ()


class FeatureTable:
    """All features of one modality made by one encoder with one sampling."""

    def __init__(self, folder: Path, dim: int) -> None:
        self._folder = folder
        self._dim = dim
        self._pending: dict[str, StoredFeatures] = {}
        self._held = 0
        self._flushed_at = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        self._keys = set(stored_keys(folder))

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str, features: StoredFeatures) -> None:
        """Add the features of a new key. They are on disk after `flush`, which is called for large or old batches."""
        if features.tokens is not None and (features.tokens.ndim != 2 or features.tokens.shape[1] != self._dim):
            raise ValueError(f"tokens {features.tokens.shape}, expected (T, {self._dim})")
        if key in self._keys:
            return
        self._keys.add(key)
        self._pending[key] = features
        self._held += 0 if features.tokens is None else features.tokens.size
        due = time.monotonic() - self._flushed_at > FLUSH_AFTER_S
        if len(self._pending) >= FLUSH_ROWS or self._held >= FLUSH_VALUES or due:
            self.flush()

    def flush(self) -> None:
        """Write the pending features as one shard, atomically."""
        self._flushed_at = time.monotonic()
        if not self._pending:
            return
        rows = list(self._pending.items())
        flat = [None if f.tokens is None else f.tokens.astype(np.float16).ravel() for _, f in rows]
        table = pa.table(
            {
                "key": pa.array([key for key, _ in rows], pa.string()),
                "length": pa.array([0 if f.tokens is None else len(f.tokens) for _, f in rows], pa.int32()),
                "values": _float16_lists(flat),
                "warnings": pa.array([list(f.warnings) for _, f in rows], pa.list_(pa.string())),
            }
        )
        write_shard(self._folder, table)
        self._pending.clear()
        self._held = 0

    def read(self, keys: Sequence[str]) -> Iterator[tuple[str, StoredFeatures]]:
        """Yield the features of the stored ones among the keys, each once, in no particular order."""
        self.flush()
        wanted = set(keys)
        for shard in shards_of(self._folder):
            table = open_shard(shard)
            try:
                here = list(self._rows(table, wanted))
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise damaged(shard, error) from error
            wanted.difference_update(key for key, _ in here)
            yield from here

    def _rows(self, table: pa.Table, wanted: set[str]) -> Iterator[tuple[str, StoredFeatures]]:
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
