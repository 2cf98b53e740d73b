"""Tables in parquet parts: each part is renamed into place when it is complete, so none is ever incomplete."""

import time
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tagging.files.atomic import atomic_file

ROWS_PER_PART = 2000
FLUSH_AFTER_S = 60.0


class PartTable:
    """A folder of parts: rows are appended in new parts, and rows of earlier parts can be dropped."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        self._folder = folder
        self._schema = schema
        self._written_at = time.monotonic()
        for partial in folder.glob(".part-*.partial-*"):
            partial.unlink()
        self._parts = sorted(folder.glob("part-*.parquet"))
        self._next = int(self._parts[-1].stem.removeprefix("part-")) + 1 if self._parts else 0
        self.pending: list[dict[str, Any]] = []
        self.written: int = sum(pq.read_metadata(part).num_rows for part in self._parts)

    @property
    def is_empty(self) -> bool:
        """True if there is no part, not even one without rows."""
        return not self._parts

    @property
    def is_due(self) -> bool:
        """True if the pending rows fill a part, or have waited for long."""
        overdue = bool(self.pending) and time.monotonic() - self._written_at > FLUSH_AFTER_S
        return len(self.pending) >= ROWS_PER_PART or overdue

    def rows(self, *columns: str) -> Iterator[tuple[Any, ...]]:
        """Yield columns of the written rows, None for a column that an earlier version did not write."""
        for part in self._parts:
            present = [column for column in columns if column in pq.read_schema(part).names]
            for row in pq.read_table(part, columns=present).to_pylist():
                yield tuple(row.get(column) for column in columns)

    def drop(self, column: str, values: Set[str]) -> None:
        """Rewrite the parts that hold rows with one of the values in a column, without these rows."""
        wanted = pa.array(sorted(values), pa.string())
        for part in tuple(self._parts):
            dropped = pc.is_in(pq.read_table(part, columns=[column])[column], wanted)
            count = pc.sum(dropped).as_py() or 0
            if not count:
                continue
            kept = pq.read_table(part).filter(pc.invert(dropped))
            if kept.num_rows:
                with atomic_file(part) as partial:
                    pq.write_table(kept, partial)
            else:
                part.unlink()
                self._parts.remove(part)
            self.written -= count

    def write_part(self) -> None:
        """Write the pending rows, even if there are none, as one part: completely or not at all."""
        self._written_at = time.monotonic()
        # Cleared before writing: a signal after the renaming must not write the rows twice. Rows lost to a signal
        # before it are not in any part, so the next run tags those videos again.
        rows, self.pending = self.pending, []
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"part-{self._next:05d}.parquet"
        self._next += 1
        with atomic_file(part) as partial:
            pq.write_table(pa.Table.from_pylist(rows, self._schema), partial)
        self._parts.append(part)
        self.written += len(rows)
