"""Passage table: what a reader found in each content, on disk, so that no video is read twice.

    ROOT/<speech or screen>/<fingerprint>/<shard>.parquet     key, passages, warnings

Keys and shards are those of the feature store (features.py, shard_table.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from tagging.store.shard_table import ShardTable
from tagging.types import Passage, Reading

_PASSAGE = pa.struct(
    {
        "text": pa.string(),
        "start_s": pa.float64(),
        "end_s": pa.float64(),
        "confidence": pa.float64(),
        "language": pa.string(),
    }
)


class PassageTable(ShardTable[Reading]):
    """All readings by one reader with one sampling."""

    def _bytes(self, value: Reading) -> int:
        return sum(len(passage.text) for passage in value.passages)

    def _columns(self, values: Sequence[Reading]) -> dict[str, pa.Array]:
        passages = [[asdict(passage) for passage in reading.passages] for reading in values]
        return {
            "passages": pa.array(passages, pa.list_(_PASSAGE)),
            "warnings": pa.array([list(reading.warnings) for reading in values], pa.list_(pa.string())),
        }

    def _values(self, table: pa.Table, wanted: set[str]) -> Iterator[tuple[str, Reading]]:
        for row in table.to_pylist():
            if row["key"] in wanted:
                yield row["key"], _reading(row)


def _reading(row: dict[str, Any]) -> Reading:
    return Reading(tuple(Passage(**passage) for passage in row["passages"]), tuple(row["warnings"]))
