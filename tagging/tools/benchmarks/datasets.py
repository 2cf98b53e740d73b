"""Dataset readers: tables of labelled videos converted to rows of one form.

Each kind of table has one function in DATASETS, which maps its columns, drops unusable rows and counts them by reason.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tagging.errors import InvalidManifestError
from tagging.text.normalise import normalise
from tagging.tools.benchmarks.hashtags import cut_hashtags


@dataclass(frozen=True, slots=True)
class Row:
    """A video of a benchmark, with the raw spellings of its tags in their original order."""

    video_id: str
    title: str
    description: str
    tags: tuple[str, ...]
    uploader_id: str | None = None
    uri: str | None = None  # an absolute path


@dataclass(frozen=True, slots=True)
class Dataset:
    rows: list[Row]
    counts: Mapping[str, int]  # rows read, and those left out by reason


def read_dataset(kind: str, path: Path) -> Dataset:
    """Return the rows of a table of a kind named in DATASETS.

    Raises InvalidManifestError for a file that is not such a table, for a repeated video_id, and if no row is usable.
    """
    columns, read = DATASETS[kind]
    dataset = read(list(read_records(path, columns)))
    ids = Counter(row.video_id for row in dataset.rows)
    repeated = [video_id for video_id, count in ids.items() if count > 1]
    if repeated:
        raise InvalidManifestError(f"{path}: video_id {repeated[0]!r} occurs in {ids[repeated[0]]} rows")
    if not dataset.rows:
        raise InvalidManifestError(f"{path}: none of {dataset.counts['rows_read']} rows can be used as {kind}")
    return dataset


Record = dict[str, Any]


def read_records(path: Path, columns: Sequence[str]) -> Iterator[Record]:
    """Yield the rows of a parquet table. Raises InvalidManifestError if it cannot be read or lacks a column."""
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            missing = [column for column in columns if column not in names]
            if missing:
                raise InvalidManifestError(f"{path}: no column {missing[0]!r}; found {', '.join(names)}")
            for batch in file.iter_batches(batch_size=4096, columns=list(columns)):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InvalidManifestError(f"{path}: cannot be read: {error}", "expected a parquet file") from error


def _youtube(records: Sequence[Record]) -> Dataset:
    """Keep untagged videos: training may use them, and no measure counts them."""
    rows = [Row(r["video_id"], r["title"] or "", "", visible_tags(r), r["channel_id"]) for r in records]
    return Dataset(rows, {"rows_read": len(records)})


def _ted(records: Sequence[Record]) -> Dataset:
    rows = [Row(r["item_id"], r["title"] or "", r["description"] or "", visible_tags(r)) for r in records]
    return Dataset(rows, {"rows_read": len(records)})


def _kuairec(records: Sequence[Record]) -> Dataset:
    """Use the caption as title and the words on the cover as description, with hashtags cut out of both."""
    counts = Counter(rows_read=len(records), left_out_without_hashtags=0, left_out_without_caption=0)
    counts.update(tags=0, tags_still_literal=0)
    rows = []
    for record in records:
        tags = visible_tags(record)
        caption, cover = (cut_hashtags(record[name] or "", tags) for name in ("caption", "cover_text"))
        if not tags:
            counts["left_out_without_hashtags"] += 1
        elif not caption:
            counts["left_out_without_caption"] += 1
        else:
            text = normalise(f"{caption} {cover}")
            counts["tags"] += len(tags)
            counts["tags_still_literal"] += sum(normalise(tag) in text for tag in tags)
            rows.append(Row(str(record["video_id"]), caption, cover, tags))
    return Dataset(rows, counts)


def visible_tags(record: Record) -> tuple[str, ...]:
    """Return the tags of a row that are not blank."""
    return tuple(tag for tag in record["tags"] or () if normalise(tag))


DATASETS: dict[str, tuple[tuple[str, ...], Callable[[Sequence[Record]], Dataset]]] = {
    "youtube": (("video_id", "title", "tags", "channel_id"), _youtube),
    "ted": (("item_id", "title", "description", "tags"), _ted),
    "kuairec": (("video_id", "caption", "cover_text", "tags"), _kuairec),
}
