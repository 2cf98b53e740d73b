"""Manifest file formats: reads JSONL, CSV and parquet row by row, and reports each row that cannot be read."""

import csv
import io
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tagging.errors import InvalidManifestError
from tagging.files.addresses import is_remote
from tagging.manifests.csv_records import BadRecordError, CsvRecord, read_records
from tagging.manifests.source import ManifestSource
from tagging.manifests.values import shown, split_cell

logger = logging.getLogger(__name__)

FORMATS = ".jsonl, .csv or .parquet"
ROWS_AT_ONCE = 4096

Record = tuple[str, dict[str, Any] | InvalidManifestError]


def read_rows(source: ManifestSource, column_of: Mapping[str, str]) -> Iterator[Record]:
    """Yield (location, field -> value) of each row, or an error in the place of the values.

    column_of: the column of each field
    Raises InvalidManifestError if the file as a whole is not a manifest.
    """
    readers = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
    reader = readers.get(source.suffix)
    try:
        if reader is None:
            source.require()
            raise InvalidManifestError(f"{source}: unknown kind of manifest {source.suffix!r}", f"expected {FORMATS}")
        yield from reader(source, column_of)
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise InvalidManifestError(f"{source}: cannot be read: {error}", f"expected {FORMATS} in UTF-8") from error


def count_rows(source: ManifestSource) -> int | None:
    """Return about how many rows a file has: exact for parquet, its lines for JSONL; None for CSV, or if unreadable.

    Lines are not counted in a bucket, where counting is a transfer of the whole object.
    """
    if not source.can_be_counted():
        return None
    try:
        if source.suffix == ".parquet":
            with source.open_file() as file:
                return int(pq.read_metadata(file).num_rows)
        if source.suffix != ".jsonl" or is_remote(source.address):
            return None  # a quoted cell may have lines
        with source.open_stream() as file:
            return sum(part.count(b"\n") for part in iter(lambda: file.read(2**20), b""))
    except (OSError, pa.ArrowException):
        return None


def _bad_row(source: ManifestSource, location: str, reason: str, hint: str = "") -> Record:
    return location, InvalidManifestError(f"{source}: {location}: {reason}", hint)


def _jsonl(source: ManifestSource, column_of: Mapping[str, str]) -> Iterator[Record]:
    known, seen = set(column_of.values()), set[str]()
    with source.open_stream() as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            location = f"line {number}"
            try:
                record = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except (ValueError, RecursionError) as error:
                yield _bad_row(source, location, f"not JSON: {error}", "expected one object a line")
                continue
            if not isinstance(record, dict):
                yield _bad_row(source, location, f"expected a JSON object, found {shown(record)}")
                continue
            _name_ignored(source, [column for column in record if column not in known])
            known.update(record)
            seen.update(record)
            yield location, {field: record[column] for field, column in column_of.items() if column in record}
    if unseen := [column for field, column in column_of.items() if column != field and seen and column not in seen]:
        yield "end", InvalidManifestError(f"{source}: no row has {unseen[0]!r}, which --map names", "check the name")


def _csv(source: ManifestSource, column_of: Mapping[str, str]) -> Iterator[Record]:
    with (
        source.open_stream() as stream,
        io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="") as lines,
    ):
        records = read_records(lines)
        header = _header(source, next(records, None))
        _check_columns(source, header, column_of)
        for record in records:
            if isinstance(record.cells, BadRecordError):
                yield _bad_row(source, f"line {record.line}", str(record.cells))
                continue
            row = dict(zip(header, record.cells, strict=True))
            values: dict[str, Any] = {field: row[column] for field, column in column_of.items() if column in row}
            if "tags" in values:
                values["tags"] = split_cell(values["tags"])
            yield f"line {record.line}", values


def _header(source: ManifestSource, first: CsvRecord | None) -> Sequence[str]:
    """Return the names of the columns, with undecodable bytes as \\x escapes. Raises InvalidManifestError."""
    if first is None:
        return []
    if isinstance(first.cells, BadRecordError):
        raise InvalidManifestError(f"{source}: line {first.line}: {first.cells}", "expected a header with column names")
    if any("\0" in name for name in first.cells):
        raise InvalidManifestError(f"{source}: line {first.line}: found NUL characters", "save the file as UTF-8")
    return [name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for name in first.cells]


def _parquet(source: ManifestSource, column_of: Mapping[str, str]) -> Iterator[Record]:
    with source.open_file() as opened, pq.ParquetFile(opened) as file:
        header = file.schema_arrow.names
        _check_columns(source, header, column_of)
        present = {field: column for field, column in column_of.items() if column in header}
        number = 0
        for group in range(file.num_row_groups):
            end = number + file.metadata.row_group(group).num_rows
            try:
                for batch in file.iter_batches(ROWS_AT_ONCE, [group], sorted(set(present.values()))):
                    for record in _parquet_rows(source, number + 1, batch, present):
                        number += 1
                        yield record
            except (OSError, pa.ArrowException) as error:
                yield _bad_row(source, f"rows {number + 1} to {end}", f"cannot be read: {error}")
            number = end


def _parquet_rows(
    source: ManifestSource, first: int, batch: pa.RecordBatch, present: Mapping[str, str]
) -> Iterator[Record]:
    """Yield the rows of a batch, numbered from `first`: by columns, or cell by cell if one cannot be read."""
    try:
        columns = {field: batch.column(column).to_pylist() for field, column in present.items()}
    except (ValueError, OverflowError, pa.ArrowException):
        yield from (_parquet_row(source, first + row, batch, row, present) for row in range(batch.num_rows))
        return
    for row in range(batch.num_rows):
        yield f"row {first + row}", {field: cells[row] for field, cells in columns.items()}


def _parquet_row(
    source: ManifestSource, number: int, batch: pa.RecordBatch, row: int, present: Mapping[str, str]
) -> Record:
    location, values = f"row {number}", dict[str, Any]()
    for field, column in present.items():
        try:
            values[field] = batch.column(column)[row].as_py()
        except (ValueError, OverflowError, pa.ArrowException) as error:  # such as text that is not UTF-8
            return _bad_row(source, location, f"{field}: cannot be read: {error}")
    return location, values


def _check_columns(source: ManifestSource, header: Sequence[str], column_of: Mapping[str, str]) -> None:
    # A column named by --map must be there; of the others only video_id.
    needed = [column for field, column in column_of.items() if field == "video_id" or field != column]
    missing = [column for column in needed if column not in header]
    if missing:
        raise InvalidManifestError(
            f"{source}: no column {missing[0]!r}; found {', '.join(header) or 'no columns'}",
            "rename with --map FIELD=COLUMN",
        )
    doubled = [column for column in column_of.values() if list(header).count(column) > 1]
    if doubled:
        raise InvalidManifestError(f"{source}: two columns are named {doubled[0]!r}", "rename or drop one of them")
    _name_ignored(source, [column for column in header if column not in column_of.values()])


def _name_ignored(source: ManifestSource, columns: Sequence[str]) -> None:
    if columns:
        logger.info("%s: columns ignored: %s", source.name, ", ".join(columns))
