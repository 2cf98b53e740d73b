"""The converter of KuaiRand: joined fields, favourites of a history, and nothing from after an impression."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagging.progress import Silent
from tagging.tools.benchmarks.kuairand import USER_FIELDS, favourites, history_fields, tags_of, video_fields
from tagging.tools.benchmarks.kuairand_topics import fit_topics
from tests.support.tools import run_tools

VIDEOS = 30  # of tag "1" the first half, of "2" and "3" the second


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    videos = [
        {"video_id": n, "author_id": n % 4, "upload_type": "Web", "music_type": 9.0, "video_duration": 8000.0}
        | {"tag": "1" if n < 15 else "2,3" if n < 29 else "unknown"}
        for n in range(VIDEOS)
    ]
    watched = {0: range(8), 1: range(15, 23), 2: range(4, 12), 3: range(20, 28)}
    histories = [
        {"user_id": user, "history_len": 8, "last_time_ms": 1000 + user}
        | {"watch_seq": list(seen), "long_watch_seq": list(seen)[:2]}
        for user, seen in watched.items()
    ]
    users = [{"user_id": user} | dict.fromkeys(USER_FIELDS, 1) for user in range(5)]
    log = [
        {"user_id": user, "video_id": 3, "is_click": user % 2, "time_ms": time, "tab": 1}
        | {"play_time_ms": 7, "is_like": 1}
        for time, user in ((1003, 0), (1004, 1), (7_200_000, 4))
    ]
    for name, rows in {"videos": videos, "histories": histories, "users": users, "impressions": log}.items():
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"kuairand_{name}.parquet")
    return tmp_path


def converted(folder: Path) -> list[dict[str, Any]]:
    run_tools("benchmarks", "kuairand", folder, "--out", folder / "out.parquet")
    return list(pq.read_table(folder / "out.parquet").to_pylist())


def test_impressions_before_the_end_of_any_history_are_left_out(folder: Path) -> None:
    rows = converted(folder)
    assert [(row["user_id"], row["time"], row["clicked"], row["hour"]) for row in rows] == [
        (1, 1004, 1, 0),
        (4, 7_200_000, 0, 2),
    ]


def test_nothing_that_is_known_after_the_impression_is_a_field(folder: Path) -> None:
    [row, _] = converted(folder)
    assert not {"play_time_ms", "is_like", "is_click", "long_view"} & row.keys()


def test_fields_of_video_and_history_are_joined(folder: Path) -> None:
    known, unknown = converted(folder)
    assert (known["tags"], known["user_tags"], known["long_watched"]) == (["1"], ["2", "3"], [16, 15])
    assert (known["history_length"], known["long_share"]) == (6, 2)  # 8 = √2^6 views, 2 of them long
    assert (unknown["user_tags"], unknown["long_watched"], unknown["long_share"]) == ([], [], None)
    assert known["length"] == 6  # 8 s
    assert known["topic"] == unknown["topic"]  # of the same video


def test_videos_watched_together_share_topics(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagging.tools.benchmarks.kuairand_topics.topic_count", lambda videos: 2)
    tags = {n: ["1"] if n < 15 else ["2", "3"] for n in range(VIDEOS)}
    watched = [list(range(15)), list(range(15, 30)), list(range(15)), list(range(15, 30))]
    topics = fit_topics(tags, watched, 1, Silent())
    assert len({topics[n] for n in range(15)}) == len({topics[n] for n in range(15, 30)}) == 1
    assert topics[0] != topics[20]


def test_unknown_tags_and_lengths_are_missing() -> None:
    record = {"author_id": 1, "upload_type": "Web", "music_type": None, "video_duration": None}
    assert tags_of("unknown") == []
    assert video_fields(record, [], None)["length"] is None


def test_favourites_are_the_most_frequent_values() -> None:
    assert favourites("abcabadefg") == ["a", "b", "c", "d", "e"]


def test_videos_of_a_history_that_have_no_row_are_no_favourites() -> None:
    history = {"history_len": 3, "watch_seq": [1, 9, 9], "long_watch_seq": [1, 9]}
    fields = history_fields(history, {1: ["x"]}, {1: 5})
    assert (fields["user_tags"], fields["user_topics"], fields["long_watched"]) == (["x"], ["5"], [9, 1])
