"""Converter of MicroLens (Ni et al. 2023): titles with hashtags and sequences of comments become two tables.

videos.parquet has `video_id`, `title` and `tags`; interactions.parquet has `user_id` and `videos`, in order. Titles are
machine-translated, with hashtags of several words behind them: "the ending # funny # comedy moments". A hashtag ends at
the next one or with the title, so the last may contain a sentence: one of more than LONGEST characters is no tag. All
hashtags are cut out of the title, whether they are tags or not.
"""

import re
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tagging.files.atomic import atomic_folder, require_new
from tagging.text.normalise import normalise
from tagging.tools.benchmarks.datasets import read_records

LONGEST = 40  # characters of a tag; the median of hashtags is 18

_HASH = re.compile("[#＃]")


def write_microlens(sequences: Path, titles: Path, out: Path) -> dict[str, int]:
    """Write both tables into a new folder; return counts of what was read and left out.

    sequences: parquet with `user_id` and `videos`; titles: parquet with `video_id` and `title`
    Raises InvalidManifestError for another table, and OutputExistsError.
    """
    require_new(out)
    counts = Counter(videos=0, without_title=0, without_tags=0, tags=0, hashtags_too_long=0)
    videos = []
    for record in read_records(titles, ("video_id", "title")):
        title, hashtags = split_hashtags(record["title"] or "")
        tags = [tag for tag in hashtags if len(tag) <= LONGEST]
        counts["videos"] += 1
        counts["without_title"] += not title
        counts["without_tags"] += not tags
        counts["tags"] += len(tags)
        counts["hashtags_too_long"] += len(hashtags) - len(tags)
        videos.append({"video_id": str(record["video_id"]), "title": title, "tags": tags})
    users = [
        {"user_id": str(record["user_id"]), "videos": list(map(str, record["videos"]))}
        for record in read_records(sequences, ("user_id", "videos"))
    ]
    with atomic_folder(out) as folder:
        pq.write_table(pa.Table.from_pylist(videos, _VIDEOS), folder / "videos.parquet")
        pq.write_table(pa.Table.from_pylist(users, _USERS), folder / "interactions.parquet")
    return {**counts, "users": len(users), "interactions": sum(len(user["videos"]) for user in users)}


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
