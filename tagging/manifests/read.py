"""Manifests: tables of videos as JSONL, CSV or parquet.

A row has `video_id` and optionally `uri`, `title`, `description`, `tags`, `split`, `uploader_id`
(`language` and `category` are accepted and not read). A relative `uri` is relative to the folder of the manifest, which
may be in a bucket. `video_id` and `uploader_id` may be whole numbers (12.0 is "12"); `tags` is a list, or the text of a
list as JSON or Python writes it; in CSV also names joined with `|`. A comma does not separate tags, as names contain
commas: a CSV with such cells is reported once.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from tagging.errors import InvalidManifestError
from tagging.manifests.filters import Condition
from tagging.manifests.formats import read_rows
from tagging.manifests.source import ManifestSource
from tagging.manifests.values import FieldError, id_of, shown, tags_of, text_of
from tagging.types import LabelledVideo, VideoRef

logger = logging.getLogger(__name__)

FIELDS = ("video_id", "uri", "title", "description", "tags", "split", "language", "category", "uploader_id")
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


def read_videos(
    manifest: Path | str, columns: Mapping[str, str], conditions: Sequence[Condition] = ()
) -> Iterator[VideoRef | InvalidManifestError]:
    """Yield the videos of one manifest, without tags, and an error for each unreadable row.

    manifest:   a path, or the address of an object such as s3://bucket/backlog.parquet
    conditions: all of them hold for the rows that are read; an unreadable row has no fields to compare
    """
    for row in _rows([manifest], columns, conditions, with_tags=False):
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


def _rows(
    manifests: Sequence[Path | str],
    columns: Mapping[str, str],
    conditions: Sequence[Condition] = (),
    *,
    with_tags: bool,
) -> Iterator[RowOrError]:
    seen: dict[bytes, str] = {}  # by hash: a manifest may have millions of long ids
    for source in (ManifestSource(str(manifest)) for manifest in manifests):
        column_of = {field: columns.get(field, field) for field in FIELDS}
        has_commas = False
        for location, record in read_rows(source, column_of):
            if isinstance(record, InvalidManifestError):
                yield record
                continue
            if not all(condition.holds(record) for condition in conditions):
                continue
            try:
                row = _parse(record, source, with_tags)
            except FieldError as error:
                yield InvalidManifestError(f"{source}: {location}: {error}")
                continue
            video_id = row.video.video_id
            key = blake2b(video_id.encode("utf-8"), digest_size=16).digest()
            if key in seen:
                yield InvalidManifestError(
                    f"{source}: {location}: video_id {shown(video_id)} repeats; first at {seen[key]}",
                    "give each video one row",
                )
                continue
            seen[key] = f"{source.name} {location}"
            if with_tags and not has_commas and source.suffix == ".csv":
                has_commas = _warn_of_commas(source, location, record.get("tags"))
            yield row


def _parse(record: Mapping[str, Any], source: ManifestSource, with_tags: bool) -> LabelledVideo:
    video_id = id_of(record.get("video_id"), "video_id")
    if not video_id.strip():
        raise FieldError(f"video_id: expected text or a whole number, found {shown(record.get('video_id'))}")
    uri = text_of(record.get("uri"), "uri") or None
    video = VideoRef(
        video_id=video_id,
        uri=None if uri is None else source.resolve(uri),
        title=text_of(record.get("title"), "title"),
        description=text_of(record.get("description"), "description"),
        uploader_id=id_of(record.get("uploader_id"), "uploader_id") or None,
    )
    tags = tags_of(record.get("tags")) if with_tags else ()
    return LabelledVideo(video, tags, text_of(record.get("split"), "split"))


def _warn_of_commas(source: ManifestSource, location: str, tags: object) -> bool:
    """Log the first cell of a file in which commas may have been meant to separate tags."""
    if not isinstance(tags, list) or len(tags) != 1 or "," not in tags[0]:
        return False
    logger.warning(
        "%s: %s: %s is read as one tag, and so are others with commas; separate tags with | or write a JSON list",
        source.name,
        location,
        shown(tags[0]),
    )
    return True
