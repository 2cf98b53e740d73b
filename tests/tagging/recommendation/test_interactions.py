"""Reading of interactions."""

import json
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagging.errors import InvalidManifestError
from tagging.recommendation.interactions import read_interactions

VIDEOS = ("7", "8", "nine")


def jsonl(folder: Path, *rows: dict[str, object]) -> Path:
    path = folder / "interactions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_every_format_gives_the_same_sequences(tmp_path: Path) -> None:
    users, videos = ["1", "2"], [["8", "7"], ["nine", "7"]]
    table = tmp_path / "interactions.parquet"
    pq.write_table(pa.table({"user_id": users, "videos": videos}), table)
    cells = tmp_path / "interactions.csv"
    cells.write_text('user_id,videos\n1,8|7\n2,"[""nine"", 7]"\n')
    lines = jsonl(tmp_path, {"user_id": 1, "videos": [8, 7]}, {"user_id": 2, "videos": ["nine", 7]})
    for path in (table, cells, lines):
        found = read_interactions(path, VIDEOS)
        assert found.user_ids == ("1", "2")
        assert [found.videos.at(user).tolist() for user in range(2)] == [[1, 0], [2, 0]]


def test_a_repeated_view_counts_at_its_first_place_and_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = jsonl(tmp_path, {"user_id": "a", "videos": ["7", "8", "7", "7"]})
    with caplog.at_level(logging.WARNING):
        found = read_interactions(path, VIDEOS)
    assert found.videos.at(0).tolist() == [0, 1]
    assert "2 repeated views" in caplog.text


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"user_id": "a", "videos": ["7", "10"]}], "line 1: video '10' has no row"),
        ([{"user_id": "a", "videos": ["7"]}, {"user_id": "a", "videos": []}], "line 2: user_id 'a' repeats"),
        ([{"user": "a", "videos": ["7"]}], "line 1: user_id: expected text or a whole number, found nothing"),
        ([{"user_id": "a"}], "line 1: videos: expected a list of ids, found nothing"),
        ([{"user_id": "a", "videos": "[7,"}], "videos: expected a list of ids"),
        ([{"user_id": "a", "videos": ["7", None]}], "videos: expected ids"),
        ([], "no interactions"),
    ],
)
def test_bad_input_is_one_error_that_names_the_row(
    tmp_path: Path, rows: list[dict[str, object]], expected: str
) -> None:
    with pytest.raises(InvalidManifestError, match=expected):
        read_interactions(jsonl(tmp_path, *rows), VIDEOS)
