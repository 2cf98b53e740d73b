"""Tables of impressions: formats, several values in a cell, and rows that cannot be read."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagging.errors import InvalidManifestError
from tagging.recommendation.clicks.table import ImpressionTable, read_impressions
from tests.support.corpora import write_rows

ROWS = [
    {"user_id": 3, "video_id": "a", "clicked": 1, "time": 5, "tags": ["x", "y", "x"], "age": 2.0, "ratio": 0.5},
    {"user_id": 4, "video_id": "b", "clicked": 0, "time": 6.5, "tags": [], "age": None, "ratio": None},
    {"user_id": 3, "video_id": "b", "clicked": 0, "time": 7, "tags": ["y"], "age": 4.0, "ratio": 0.5},
]


def values(table: ImpressionTable, name: str) -> list[list[str]]:
    column = table.fields[name]
    return [[column.names[value] for value in column.rows.at(row)] for row in range(len(table))]


def row_with(**changes: Any) -> dict[str, Any]:
    return {"user_id": 3, "video_id": "a", "clicked": 1, "time": 5, **changes}


@pytest.fixture(params=["jsonl", "csv", "parquet"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"table.{request.param}"
    if request.param == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif request.param == "csv":
        lines = ["user_id,video_id,clicked,time,tags,age,ratio"]
        lines += ["3,a,1,5,x|y|x,2,0.5", "4,b,false,6.5,,,", "3,b,0,7,y,4,0.5"]
        path.write_text("\n".join(lines))
    else:
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    return path


def test_every_format_gives_the_same_table(path: Path) -> None:
    table = read_impressions(path, ["tags", "age", "ratio"])
    assert values(table, "user_id") == [["3"], ["4"], ["3"]]
    assert values(table, "video_id") == [["a"], ["b"], ["b"]]
    assert values(table, "tags") == [["x", "y"], [], ["y"]]
    assert values(table, "age") == [["2"], [], ["4"]]
    assert values(table, "ratio") == [["0.5"], [], ["0.5"]]
    assert table.clicked.tolist() == [True, False, False]
    assert table.times.tolist() == [5, 6.5, 7]
    assert table.users[0] == table.users[2] != table.users[1]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (row_with(clicked=2), "line 1: clicked: expected 1 or 0, found 2"),
        (row_with(clicked=None), "line 1: clicked: expected 1 or 0, found nothing"),
        (row_with(time="monday"), "line 1: time: expected a number, found 'monday'"),
        (row_with(time=None), "line 1: time: expected a number, found nothing"),
        (row_with(user_id=""), "line 1: user_id: expected one id, found ''"),
        (row_with(video_id="a|b"), "line 1: video_id: expected one id, found 'a|b'"),
        (row_with(tags={"x": 1}), "line 1: tags: expected text or a whole number"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    write_rows(tmp_path / "t.jsonl", [{"tags": [], **row}])
    with pytest.raises(InvalidManifestError, match="expected") as raised:
        read_impressions(tmp_path / "t.jsonl", ["tags"])
    assert message in raised.value.message


def test_cells_that_are_equal_in_python_keep_their_own_values(tmp_path: Path) -> None:
    write_rows(tmp_path / "t.jsonl", [row_with(flag=flag) for flag in (1, True, 1.0, "True")])
    table = read_impressions(tmp_path / "t.jsonl", ["flag"])
    assert values(table, "flag") == [["1"], ["True"], ["1"], ["True"]]


def test_a_field_that_the_table_lacks_is_named(path: Path) -> None:
    with pytest.raises(InvalidManifestError, match="no column 'topic'"):
        read_impressions(path, ["topic"])


def test_an_empty_table_is_refused(tmp_path: Path) -> None:
    write_rows(tmp_path / "t.jsonl", [])
    with pytest.raises(InvalidManifestError, match="no impressions"):
        read_impressions(tmp_path / "t.jsonl", [])
