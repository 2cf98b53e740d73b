"""Manifests: tables of videos as JSONL, CSV or parquet.

A row has `video_id` and optionally `uri`, `title`, `description`, `tags`, `split`, `uploader_id`
(`language` and `category` are accepted and not read). A relative `uri` is relative to the folder of
the manifest. In CSV, `tags` is a JSON list or names joined with `|`.
"""

import csv
import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tagging.errors import InvalidManifestError
from tagging.types import LabelledVideo, VideoRef

logger = logging.getLogger(__name__)

FIELDS = ("video_id", "uri", "title", "description", "tags", "split", "language", "category", "uploader_id")
FORMATS = ".jsonl, .csv or .parquet"
RowOrError = LabelledVideo | InvalidManifestError


def read_labelled(paths: Sequence[Path], columns: Mapping[str, str]) -> Iterator[LabelledVideo]:
    """Return the rows of all manifests with their tags. Raises InvalidManifestError for an unreadable row or repeated
    id.

    columns: field -> column of the file, if they differ.
    """
    for row in _rows(paths, columns, with_tags=True):
        if isinstance(row, InvalidManifestError):
            raise row
        yield row


def read_videos(path: Path, columns: Mapping[str, str]) -> Iterator[VideoRef | InvalidManifestError]:
    """Yield the videos of one manifest, without tags, and an error for each unreadable row."""
    for row in _rows([path], columns, with_tags=False):
        yield row if isinstance(row, InvalidManifestError) else row.video


def parse_columns(pairs: Sequence[str]) -> dict[str, str]:
    """Return the `--map` options ["field=column", …] as a mapping."""
    columns: dict[str, str] = {}
    for pair in pairs:
        field, sep, column = pair.partition("=")
        if not sep or not column or field not in FIELDS:
            raise InvalidManifestError(f"--map {pair!r} is not FIELD=COLUMN", f"fields are {', '.join(FIELDS)}")
        if field in columns:
            raise InvalidManifestError(f"--map {pair!r}: {field} is already read from {columns[field]!r}")
        columns[field] = column
    return columns


def _rows(paths: Sequence[Path], columns: Mapping[str, str], with_tags: bool) -> Iterator[RowOrError]:
    seen: dict[str, str] = {}
    for path in paths:
        column_of = {field: columns.get(field, field) for field in FIELDS}
        for location, record in _records(path, column_of):
            if isinstance(record, InvalidManifestError):
                yield record
                continue
            try:
                row = _parse(record, path.parent, with_tags)
            except _FieldError as error:
                yield InvalidManifestError(f"{path}: {location}: {error}")
                continue
            video_id, here = row.video.video_id, f"{path.name} {location}"
            if video_id in seen:
                yield InvalidManifestError(
                    f"{path}: {location}: video_id {video_id!r} repeats; first at {seen[video_id]}",
                    "give each video one row",
                )
                continue
            seen[video_id] = here
            yield row


class _FieldError(ValueError):
    pass


def _parse(record: Mapping[str, Any], folder: Path, with_tags: bool) -> LabelledVideo:
    video_id = record.get("video_id")
    if isinstance(video_id, int) and not isinstance(video_id, bool):
        video_id = str(video_id)
    if not isinstance(video_id, str) or not video_id.strip() or not is_unicode(video_id):
        raise _FieldError(f"video_id: expected text or a whole number, found {_shown(record.get('video_id'))}")
    uri = _text(record, "uri") or None
    if uri is not None and "://" not in uri:
        uri = str(folder / uri)  # an absolute uri stays as it is
    uploader = record.get("uploader_id")
    video = VideoRef(
        video_id=video_id,
        uri=uri,
        title=_text(record, "title"),
        description=_text(record, "description"),
        uploader_id=str(uploader) if isinstance(uploader, int) else _text(record, "uploader_id") or None,
    )
    return LabelledVideo(video, _tags(record.get("tags")) if with_tags else (), _text(record, "split"))


def _text(record: Mapping[str, Any], field: str) -> str:
    value = record.get(field)
    if value is None:
        return ""
    if not isinstance(value, str) or not is_unicode(value):
        raise _FieldError(f"{field}: expected text, found {_shown(value)}")
    return value


def _tags(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(tag, str) and is_unicode(tag) for tag in value):
        raise _FieldError(f"tags: expected a list of texts, found {_shown(value)}")
    return tuple(value)


def is_unicode(text: str) -> bool:
    """Return False for a lone surrogate, which JSON can express but no file, tokenizer or protobuf can hold."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = ascii(value) if isinstance(value, str) and not is_unicode(value) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


Record = tuple[str, dict[str, Any] | InvalidManifestError]


def _records(path: Path, column_of: Mapping[str, str]) -> Iterator[Record]:
    """Yield (location, field -> value) of each row, or an error."""
    readers = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InvalidManifestError(f"{path}: unknown kind of manifest {path.suffix!r}", f"expected {FORMATS}")
    try:
        yield from reader(path, column_of)
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise InvalidManifestError(f"{path}: cannot be read: {error}", f"expected {FORMATS} in UTF-8") from error


def _jsonl(path: Path, column_of: Mapping[str, str]) -> Iterator[Record]:
    known, seen = set(column_of.values()), set[str]()
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            location = f"line {number}"
            try:
                record = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except (ValueError, RecursionError) as error:
                yield (
                    location,
                    InvalidManifestError(f"{path}: {location}: not JSON: {error}", "expected one object a line"),
                )
                continue
            if not isinstance(record, dict):
                yield (
                    location,
                    InvalidManifestError(f"{path}: {location}: expected a JSON object, found {_shown(record)}"),
                )
                continue
            _name_ignored(path, [column for column in record if column not in known])
            known.update(record)
            seen.update(record)
            yield location, {field: record[column] for field, column in column_of.items() if column in record}
    if unseen := [column for field, column in column_of.items() if column != field and seen and column not in seen]:
        yield "end", InvalidManifestError(f"{path}: no row has {unseen[0]!r}, which --map names", "check the name")


def _csv(path: Path, column_of: Mapping[str, str]) -> Iterator[Record]:
    csv.field_size_limit(sys.maxsize)  # a description may be longer than the 128 KiB that csv allows
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, strict=True)
        header = next(reader, [])
        _check_columns(path, header, column_of)
        for cells in reader:
            location = f"line {reader.line_num}"
            if not cells:
                continue
            if len(cells) != len(header):
                found = f"expected {len(header)} cells as in the header, found {len(cells)}"
                yield location, InvalidManifestError(f"{path}: {location}: {found}")
                continue
            row = dict(zip(header, cells, strict=True))
            record: dict[str, Any] = {field: row[column] for field, column in column_of.items() if column in row}
            if "tags" in record:
                record["tags"] = _tags_of_cell(record["tags"])
            yield location, record


def _tags_of_cell(cell: str) -> Any:
    """Parse a JSON list, or names separated by a bar; anything else is returned unchanged for `_tags` to reject."""
    stripped = cell.strip()
    if not stripped.startswith("["):
        return [tag for tag in stripped.split("|") if tag.strip()]
    try:
        return json.loads(stripped)
    except (ValueError, RecursionError):
        return stripped


def _parquet(path: Path, column_of: Mapping[str, str]) -> Iterator[Record]:
    with pq.ParquetFile(path) as file:
        header = file.schema_arrow.names
        _check_columns(path, header, column_of)
        present = {field: column for field, column in column_of.items() if column in header}
        number = 0
        for batch in file.iter_batches(batch_size=4096, columns=sorted(set(present.values()))):
            for record in batch.to_pylist():
                number += 1
                yield f"row {number}", {field: record[column] for field, column in present.items()}


def _check_columns(path: Path, header: Sequence[str], column_of: Mapping[str, str]) -> None:
    # A column named by --map must be there; of the others only video_id.
    needed = [column for field, column in column_of.items() if field == "video_id" or field != column]
    missing = [column for column in needed if column not in header]
    if missing:
        raise InvalidManifestError(
            f"{path}: no column {missing[0]!r}; found {', '.join(header) or 'no columns'}",
            "rename with --map FIELD=COLUMN",
        )
    doubled = [column for column in column_of.values() if list(header).count(column) > 1]
    if doubled:
        raise InvalidManifestError(f"{path}: two columns are named {doubled[0]!r}", "rename or drop one of them")
    _name_ignored(path, [column for column in header if column not in column_of.values()])


def _name_ignored(path: Path, columns: Sequence[str]) -> None:
    if columns:
        logger.info("%s: columns ignored: %s", path.name, ", ".join(columns))
