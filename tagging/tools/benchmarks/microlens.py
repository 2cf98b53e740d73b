"""Converter of MicroLens (Ni et al. 2023): titles with hashtags and sequences of comments become two tables.

videos.parquet has `video_id`, `title` and `tags`; interactions.parquet has `user_id` and `videos`, in order. Titles are
machine-translated, with hashtags of several words behind them: "the ending # funny # comedy moments". A hashtag ends at
the next one or with the title, so the last may contain a sentence: one of more than LONGEST characters is no tag. All
hashtags are cut out of the title, whether they are tags or not.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from tagging.errors import InvalidManifestError
from tagging.files.atomic import atomic_folder, require_new
from tagging.manifests.values import FieldError, id_of, shown, text_of
from tagging.text.normalise import normalise
from tagging.tools.benchmarks.datasets import read_records

LONGEST = 40  # characters of a tag; the median of hashtags is 18

_HASH = re.compile("[#＃]")
Value = TypeVar("Value")


def write_microlens(sequences: Path, titles: Path, out: Path) -> dict[str, int]:
    """Write both tables into a new folder; return counts of what was read and left out.

    sequences: parquet with `user_id` and `videos`; titles: parquet with `video_id` and `title`
    Raises InvalidManifestError for another table, and OutputExistsError.
    """
    require_new(out)
    counts = Counter(videos=0, without_title=0, without_tags=0, tags=0, hashtags_too_long=0)
    videos = []
    for video_id, text in _parsed(titles, ("video_id", "title"), lambda record: text_of(record["title"], "title")):
        title, hashtags = split_hashtags(text)
        tags = [tag for tag in hashtags if len(tag) <= LONGEST]
        counts["videos"] += 1
        counts["without_title"] += not title
        counts["without_tags"] += not tags
        counts["tags"] += len(tags)
        counts["hashtags_too_long"] += len(hashtags) - len(tags)
        videos.append({"video_id": video_id, "title": title, "tags": tags})
    users = [
        {"user_id": user_id, "videos": watched}
        for user_id, watched in _parsed(sequences, ("user_id", "videos"), _videos)
    ]
    with atomic_folder(out) as folder:
        pq.write_table(pa.Table.from_pylist(videos, _VIDEOS), folder / "videos.parquet")
        pq.write_table(pa.Table.from_pylist(users, _USERS), folder / "interactions.parquet")
    return {**counts, "users": len(users), "interactions": sum(len(user["videos"]) for user in users)}


def _parsed(
    path: Path, columns: tuple[str, str], parse: Callable[[Mapping[str, Any]], Value]
) -> Iterator[tuple[str, Value]]:
    """Yield the id and the other column of each row of a table. Raises InvalidManifestError, which names the row."""
    for number, record in enumerate(read_records(path, columns), 1):
        try:
            yield _id(record[columns[0]], columns[0]), parse(record)
        except FieldError as error:
            raise InvalidManifestError(f"{path}: row {number}: {error}", "remove or repair the row") from error


def _videos(record: Mapping[str, Any]) -> list[str]:
    videos = record["videos"]
    if not isinstance(videos, list):
        raise FieldError(f"videos: expected a list of ids, found {shown(videos)}")
    return [_id(video, "videos") for video in videos]


def _id(value: Any, field: str) -> str:
    if not (name := id_of(value, field)).strip():
        raise FieldError(f"{field}: expected an id, found {shown(value)}")
    return name


def split_hashtags(text: str) -> tuple[str, list[str]]:
    """Return the words before the first hashtag, and the distinct hashtags in their order, white space collapsed."""
    title, *hashtags = (" ".join(part.split()) for part in _HASH.split(text))
    distinct: dict[str, str] = {}
    for hashtag in hashtags:
        if form := normalise(hashtag):
            distinct.setdefault(form, hashtag)
    return title, list(distinct.values())


_NAMES = pa.list_(pa.string())
_VIDEOS = pa.schema({"video_id": pa.string(), "title": pa.string(), "tags": _NAMES})
_USERS = pa.schema({"user_id": pa.string(), "videos": _NAMES})
