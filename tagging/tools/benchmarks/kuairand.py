"""Converter of KuaiRand (Gao et al. 2022): its log, videos, users and histories become one table of impressions.

    user_id, video_id, clicked, time (ms), tab, hour (UTC)
    author_id, upload_type, music_type, length (seconds, rounded to powers of √2)    of the video
    user_active_degree, the published ranges, onehot_feat0 to 11                     of the user
    history_length        views of the history, rounded to powers of √2; long_share: the share watched long, in tenths
    long_watched          the last videos of the history that the user watched long
    tags, user_tags       the video's categories, numbers without names; the most frequent of what the user watched long
    topic, user_topics    the same for topics (kuairand_topics.py)

Single views of a history have no times, only its end: impressions before the end of the last history are left out, so
that nothing in a row is later than the row. Columns of the log that are known only after an impression are not read.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tagging.errors import InvalidManifestError
from tagging.files.atomic import atomic_file
from tagging.progress import Progress
from tagging.tools.benchmarks.datasets import Record, read_records
from tagging.tools.benchmarks.kuairand_topics import fit_topics

HISTORY = 10  # videos of `long_watched`
FAVOURITES = 5  # values of `user_tags` and `user_topics`
UNKNOWN = "unknown"  # in the place of tags

RANGES = tuple(f"{name}_range" for name in ("follow_user_num", "fans_user_num", "friend_user_num", "register_days"))
USER_FIELDS = ("user_active_degree", *RANGES, *(f"onehot_feat{number}" for number in range(12)))
VIDEO_FIELDS = ("author_id", "upload_type", "music_type")
HISTORY_FIELDS = ("last_time_ms", "history_len", "watch_seq", "long_watch_seq")


def write_kuairand(folder: Path, out: Path, seed: int, progress: Progress) -> dict[str, int]:
    """Write the table; return counts of what was read and left out.

    folder: with kuairand_impressions.parquet, …_videos, …_users and …_histories
    seed:   of the topics
    Raises InvalidManifestError for other tables, and if every impression is before the end of a history.
    """
    videos = _by_id(_path(folder, "videos"), "video_id", (*VIDEO_FIELDS, "video_duration", "tag"))
    users = _by_id(_path(folder, "users"), "user_id", USER_FIELDS)
    histories = _by_id(_path(folder, "histories"), "user_id", HISTORY_FIELDS)
    tags = {video: tags_of(record["tag"]) for video, record in videos.items()}
    topics = fit_topics(tags, [record["watch_seq"] for record in histories.values()], seed, progress)
    of_videos = {video: video_fields(record, tags[video], topics[video]) for video, record in videos.items()}
    of_users = {
        user: {name: record[name] for name in USER_FIELDS} | history_fields(histories.get(user), tags, topics)
        for user, record in users.items()
    }
    end = max(record["last_time_ms"] for record in histories.values())
    counts = Counter(impressions=0, before_the_end_of_a_history=0, of_unknown_users_or_videos=0)
    rows = []
    for record in read_records(_path(folder, "impressions"), ("user_id", "video_id", "is_click", "time_ms", "tab")):
        user, video, time = record["user_id"], record["video_id"], record["time_ms"]
        if time <= end:
            counts["before_the_end_of_a_history"] += 1
        elif user not in of_users or video not in of_videos:
            counts["of_unknown_users_or_videos"] += 1
        else:
            counts["impressions"] += 1
            context = {"tab": record["tab"], "hour": time // 3_600_000 % 24}
            shown = {"user_id": user, "video_id": video, "clicked": record["is_click"], "time": time}
            rows.append(shown | context | of_videos[video] | of_users[user])
    if not rows:
        raise InvalidManifestError(f"{folder}: no impression can be used", f"found {dict(counts)}")
    with atomic_file(out) as partial:
        pq.write_table(pa.Table.from_pylist(rows), partial)
    return dict(counts)


def tags_of(cell: str) -> list[str]:
    return [] if cell == UNKNOWN else cell.split(",")


def video_fields(record: Record, tags: Sequence[str], topic: int | None) -> dict[str, Any]:
    duration = record["video_duration"]
    known = duration is not None and duration > 0
    length = half_octave(duration / 1000) if known else None
    return {name: record[name] for name in VIDEO_FIELDS} | {"length": length, "tags": tags, "topic": topic}


def history_fields(
    history: Record | None, tags: Mapping[int, Sequence[str]], topics: Mapping[int, int | None]
) -> dict[str, Any]:
    """Return the fields of a user's history; empty lists for a user without one."""
    if history is None:
        history = {"history_len": None, "watch_seq": [], "long_watch_seq": []}
    watched, views = history["long_watch_seq"], len(history["watch_seq"])
    known = [video for video in watched if video in tags]
    return {
        "history_length": half_octave(history["history_len"]) if views else None,
        "long_share": round(10 * len(watched) / views) if views else None,
        "long_watched": list(dict.fromkeys(reversed(watched)))[:HISTORY],
        "user_tags": favourites(tag for video in known for tag in tags[video]),
        "user_topics": favourites(str(topic) for video in known if (topic := topics[video]) is not None),
    }


def half_octave(value: float) -> int:
    """Return the number of the nearest power of √2."""
    return round(2 * math.log2(value))


def favourites(values: Iterable[str]) -> list[str]:
    """Return the most frequent values; of equally frequent ones those that came first."""
    return [value for value, _ in Counter(values).most_common(FAVOURITES)]


def _path(folder: Path, name: str) -> Path:
    return folder / f"kuairand_{name}.parquet"


def _by_id(path: Path, key: str, columns: Sequence[str]) -> dict[int, Record]:
    return {record[key]: record for record in read_records(path, (key, *columns))}
