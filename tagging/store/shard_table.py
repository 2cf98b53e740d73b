"""Shard table: values by key on disk, buffered in memory until a shard of them is worth writing."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import pyarrow as pa

from tagging.errors import OutputUnwritableError
from tagging.store.shards import damaged, open_shard, shards_of, stored_keys, write_shard

Value = TypeVar("Value")

FLUSH_ROWS = 4096
FLUSH_BYTES = 64 * 2**20
FLUSH_AFTER_S = 20.0


class ShardTable(ABC, Generic[Value]):
    """All values of one kind, made with one fingerprint; a key is added once and its value never changes."""

    def __init__(self, folder: Path) -> None:
        """Raises OutputUnwritableError for a folder that cannot be made."""
        self._folder = folder
        self._pending: dict[str, Value] = {}
        self._held = 0
        self._flushed_at = time.monotonic()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputUnwritableError(
                f"{folder} cannot be made: {error.strerror}", "choose another place with --features or VIDEOTAG_HOME"
            ) from error
        self._keys = set(stored_keys(folder))

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: str, value: Value) -> None:
        """Add the value of a new key. It is on disk after `flush`, which is called for large or old batches."""
        if key in self._keys:
            return
        self._keys.add(key)
        self._pending[key] = value
        self._held += self._bytes(value)
        due = time.monotonic() - self._flushed_at > FLUSH_AFTER_S
        if len(self._pending) >= FLUSH_ROWS or self._held >= FLUSH_BYTES or due:
            self.flush()

    def flush(self) -> None:
        """Write the pending values as one shard, atomically."""
        self._flushed_at = time.monotonic()
        if not self._pending:
            return
        keys = pa.array(list(self._pending), pa.string())
        columns = self._columns(list(self._pending.values()))
        write_shard(self._folder, pa.table({"key": keys, **columns}))
        self._pending.clear()
        self._held = 0

    def read(self, keys: Sequence[str]) -> Iterator[tuple[str, Value]]:
        """Yield the values of the stored ones among the keys, each once, in no particular order.

        Raises ArtifactCorruptError, which names the shard.
        """
        self.flush()
        wanted = set(keys)
        for shard in shards_of(self._folder):
            table = open_shard(shard)
            try:
                here = list(self._values(table, wanted))
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise damaged(shard, error) from error
            wanted.difference_update(key for key, _ in here)
            yield from here

    @abstractmethod
    def _bytes(self, value: Value) -> int:
        """Return the approximate size of a pending value."""

    @abstractmethod
    def _columns(self, values: Sequence[Value]) -> dict[str, pa.Array]:
        """Return the columns of n values."""

    @abstractmethod
    def _values(self, table: pa.Table, wanted: set[str]) -> Iterator[tuple[str, Value]]:
        """Yield key and value of the wanted rows of a shard."""
