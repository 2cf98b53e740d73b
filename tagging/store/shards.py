"""Shards of a stored table: parquet files with a key column, each written under a temporary name and renamed."""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tagging.errors import ArtifactCorruptError
from tagging.files.atomic import atomic_file

STALE_AFTER_S = 24 * 3600.0


def write_shard(folder: Path, table: pa.Table) -> None:
    """Add a table to the folder, atomically."""
    shard = folder / f"{uuid.uuid4().hex}.parquet"
    with atomic_file(shard) as partial, partial.open("wb") as file:
        pq.write_table(table, file, compression="zstd", write_page_checksum=True)
        file.flush()
        os.fsync(file.fileno())


def open_shard(shard: Path, columns: list[str] | None = None) -> pa.Table:
    """Return a shard's columns. Raises ArtifactCorruptError."""
    try:
        return pq.read_table(shard, columns=columns, page_checksum_verification=True)
    except (OSError, pa.ArrowException) as error:
        raise damaged(shard, error) from error


def shards_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def stored_keys(folder: Path) -> Iterator[str]:
    """Yield the keys of all shards, after a killed extraction's remains are removed."""
    for partial in folder.glob(".*.partial-*"):  # a running extraction renames within seconds
        with suppress(FileNotFoundError):  # renamed just now
            if time.time() - partial.stat().st_mtime > STALE_AFTER_S:
                partial.unlink()
    for shard in shards_of(folder):
        yield from open_shard(shard, columns=["key"])["key"].to_pylist()


def damaged(shard: Path, error: Exception) -> ArtifactCorruptError:
    return ArtifactCorruptError(
        f"{shard}: damaged feature shard: {error}", "remove this file; its features are extracted again"
    )
