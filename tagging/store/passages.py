"""Passage table: what a reader found in each content, on disk, so that no video is read twice.

    ROOT/<speech or screen>/<fingerprint>/<shard>.parquet     key, passages, warnings

Keys and shards are those of the feature store (features.py, shards.py).
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from tagging.store.shards import damaged, open_shard, shards_of, stored_keys, write_shard
from tagging.types import Passage, Reading

FLUSH_ROWS = 4096
FLUSH_AFTER_S = 20.0
_PASSAGE = pa.struct(
    {
        "text": pa.string(),
        "start_s": pa.float64(),
        "end_s": pa.float64(),
        "confidence": pa.float64(),
        "language": pa.string(),
    }
)


class PassageTable:
    """All readings by one reader with one sampling."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pending: dict[str, Reading] = {}
        self._flushed_at = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)
        self._keys = set(stored_keys(folder))

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str, reading: Reading) -> None:
        """Add the reading of a new key. It is on disk after `flush`, which is called for large or old batches."""
        if key in self._keys:
            return
        self._keys.add(key)
        self._pending[key] = reading
        if len(self._pending) >= FLUSH_ROWS or time.monotonic() - self._flushed_at > FLUSH_AFTER_S:
            self.flush()

    def flush(self) -> None:
        """Write the pending readings as one shard, atomically."""
        self._flushed_at = time.monotonic()
        if not self._pending:
            return
        passages = [[asdict(passage) for passage in reading.passages] for reading in self._pending.values()]
        warnings = [list(reading.warnings) for reading in self._pending.values()]
        table = pa.table(
            {
                "key": pa.array(list(self._pending), pa.string()),
                "passages": pa.array(passages, pa.list_(_PASSAGE)),
                "warnings": pa.array(warnings, pa.list_(pa.string())),
            }
        )
        write_shard(self._folder, table)
        self._pending.clear()

    def read(self, keys: Sequence[str]) -> Iterator[tuple[str, Reading]]:
        """Yield the readings of the stored ones among the keys, each once, in no particular order."""
        self.flush()
        wanted = set(keys)
        for shard in shards_of(self._folder):
            rows = open_shard(shard).to_pylist()
            try:
                found = [(row["key"], _reading(row)) for row in rows if row["key"] in wanted]
            except (LookupError, TypeError, ValueError) as error:
                raise damaged(shard, error) from error
            wanted.difference_update(key for key, _ in found)
            yield from found


def _reading(row: dict[str, Any]) -> Reading:
    return Reading(tuple(Passage(**passage) for passage in row["passages"]), tuple(row["warnings"]))
