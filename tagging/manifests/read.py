"""Manifests: tables of videos as JSONL, CSV or parquet.

A row has `video_id` and optionally `uri`, `title`, `description`, `tags`, `split`, `uploader_id`, and `category`,
`subcategory` and `language`, which only `read_categorised` reads. A relative `uri` is relative to the folder of the
manifest, which may be in a bucket. Ids and categories may be whole numbers (12.0 is "12"); `tags` is a list, or the
text of a list as JSON or Python writes it; in CSV also names joined with `|`. A comma does not separate tags, as names
contain commas: a CSV with such cells is reported once.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from tagging.errors import InvalidManifestError
from tagging.manifests.filters import Condition
from tagging.manifests.formats import read_rows
from tagging.manifests.source import ManifestSource
from tagging.manifests.values import FieldError, id_of, predictions_of, shown, tag_names_of, tags_of, text_of
from tagging.types import CategorisedVideo, LabelledVideo, PredictedVideo, VideoRef

logger = logging.getLogger(__name__)

FIELDS = (
    "video_id", "uri", "title", "description", "tags", "split", "language", "category", "subcategory", "uploader_id"
)  # fmt: skip
Row = TypeVar("Row", bound=LabelledVideo)


def read_labelled(paths: Sequence[Path], columns: Mapping[str, str]) -> Iterator[LabelledVideo]:
    """Return the rows of all manifests with their tags. Raises InvalidManifestError for an unreadable row or repeated
    id.

    columns: field -> column of the file, if they differ.
    """
    yield from _raise_errors(_rows(paths, columns, _parse_labelled))


def read_tagged(paths: Sequence[Path], columns: Mapping[str, str]) -> Iterator[LabelledVideo]:
    """Return rows as `read_labelled`, whose tags may also be those that `videotag batch` predicted.

    Not for training of tags, which would take predictions for labels.
    """
    yield from _raise_errors(_rows(paths, columns, _parse_tagged))


def read_predicted(paths: Sequence[Path], columns: Mapping[str, str]) -> Iterator[PredictedVideo]:
    """Return rows whose tags are those that `videotag batch` predicted, with confidences. Raises as `read_labelled`."""
    yield from _raise_errors(_rows(paths, columns, _parse_predicted))


def read_categorised(paths: Sequence[Path], columns: Mapping[str, str]) -> Iterator[CategorisedVideo]:
    """Return the rows of all manifests with tags, categories and language. Raises as `read_labelled`."""
    yield from _raise_errors(_rows(paths, columns, _parse_categorised))


def read_videos(
    manifest: Path | str, columns: Mapping[str, str], conditions: Sequence[Condition] = ()
) -> Iterator[VideoRef | InvalidManifestError]:
    """Yield the videos of one manifest, without tags, and an error for each unreadable row.

    manifest:   a path, or the address of an object such as s3://bucket/backlog.parquet
    conditions: all of them hold for the rows that are read; an unreadable row has no fields to compare
    """
    for row in _rows([manifest], columns, _parse_untagged, conditions):
        yield row if isinstance(row, InvalidManifestError) else row.video


def tables_of(manifest: Path) -> list[Path]:
    """Return a table, or of a folder, such as `tagged` in the output of `videotag batch`, the parquet files in it.

    Raises InvalidManifestError for a folder without parquet files.
    """
    if not manifest.is_dir():
        return [manifest]
    files = sorted(manifest.glob("*.parquet"))
    if not files:
        raise InvalidManifestError(
            f"{manifest} is a folder without parquet files", "give a file, or the folder `tagged` of a batch"
        )
    return files


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


def _raise_errors(rows: Iterator[Row | InvalidManifestError]) -> Iterator[Row]:
    for row in rows:
        if isinstance(row, InvalidManifestError):
            raise row
        yield row


def _rows(
    manifests: Sequence[Path | str],
    columns: Mapping[str, str],
    parse: Callable[[Mapping[str, Any], ManifestSource], Row],
    conditions: Sequence[Condition] = (),
) -> Iterator[Row | InvalidManifestError]:
    """Yield the parsed rows; parse: raises FieldError for a record that cannot be read."""
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
                row = parse(record, source)
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
            if row.tags and not has_commas and source.suffix == ".csv":
                has_commas = _warn_of_commas(source, location, record.get("tags"))
            yield row


def _parse_untagged(record: Mapping[str, Any], source: ManifestSource) -> LabelledVideo:
    return LabelledVideo(_parse_video(record, source), (), text_of(record.get("split"), "split"))


def _parse_labelled(record: Mapping[str, Any], source: ManifestSource) -> LabelledVideo:
    video = _parse_video(record, source)
    return LabelledVideo(video, tags_of(record.get("tags")), text_of(record.get("split"), "split"))


def _parse_tagged(record: Mapping[str, Any], source: ManifestSource) -> LabelledVideo:
    video = _parse_video(record, source)
    return LabelledVideo(video, tag_names_of(record.get("tags")), text_of(record.get("split"), "split"))


def _parse_predicted(record: Mapping[str, Any], source: ManifestSource) -> PredictedVideo:
    video = _parse_video(record, source)
    names, confidences = predictions_of(record.get("tags"))
    return PredictedVideo(video, names, text_of(record.get("split"), "split"), confidences)


def _parse_categorised(record: Mapping[str, Any], source: ManifestSource) -> CategorisedVideo:
    return CategorisedVideo(
        video=_parse_video(record, source),
        tags=tags_of(record.get("tags")),
        split=text_of(record.get("split"), "split"),
        category=id_of(record.get("category"), "category"),  # platforms number their categories
        subcategory=id_of(record.get("subcategory"), "subcategory"),
        language=text_of(record.get("language"), "language"),
    )


def _parse_video(record: Mapping[str, Any], source: ManifestSource) -> VideoRef:
    video_id = id_of(record.get("video_id"), "video_id")
    if not video_id.strip():
        raise FieldError(f"video_id: expected text or a whole number, found {shown(record.get('video_id'))}")
    uri = text_of(record.get("uri"), "uri") or None
    return VideoRef(
        video_id=video_id,
        uri=None if uri is None else source.resolve(uri),
        title=text_of(record.get("title"), "title"),
        description=text_of(record.get("description"), "description"),
        uploader_id=id_of(record.get("uploader_id"), "uploader_id") or None,
    )


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
