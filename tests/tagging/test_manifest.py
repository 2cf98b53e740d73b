import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagging.errors import InvalidManifestError
from tagging.manifest import parse_columns, read_labelled, read_videos
from tagging.types import LabelledVideo, VideoRef


def write(folder: Path, kind: str, rows: list[dict[str, object]]) -> Path:
    path = folder / f"videos.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        cells = [
            [json.dumps(v) if isinstance(v, list) else str(v if v is not None else "") for v in r.values()]
            for r in rows
        ]
        quoted = [",".join('"' + c.replace('"', '""') + '"' for c in line) for line in [list(rows[0]), *cells]]
        path.write_text("\n".join(quoted) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, kind: str) -> None:
    path = write(
        tmp_path,
        kind,
        [
            {
                "video_id": "a",
                "uri": "clips/a.mp4",
                "title": "Ein “Titel”, zwei\nZeilen",
                "tags": ["Rock, Paper", "ロック"],
                "split": "train",
            },
            {"video_id": "b", "uri": None, "title": "", "tags": [], "split": ""},
        ],
    )
    assert list(read_labelled([path], {})) == [
        LabelledVideo(
            VideoRef("a", str(tmp_path / "clips/a.mp4"), "Ein “Titel”, zwei\nZeilen"),
            ("Rock, Paper", "ロック"),
            "train",
        ),
        LabelledVideo(VideoRef("b"), (), ""),
    ]


def test_tags_of_a_csv_may_be_joined_with_bars(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text("video_id,tags\na,rock | hard rock||\n", encoding="utf-8")
    assert next(iter(read_labelled([path], {}))).tags == ("rock ", " hard rock")


def test_a_mapped_column_replaces_the_field(tmp_path: Path) -> None:
    path = write(tmp_path, "jsonl", [{"id": 7, "headline": "Hello", "video_id": "unused", "channel": "c"}])
    columns = parse_columns(["video_id=id", "title=headline", "uploader_id=channel"])
    assert list(read_videos(path, columns)) == [VideoRef("7", title="Hello", uploader_id="c")]


@pytest.mark.parametrize("pair", ["title", "title=", "colour=red", "=title"])
def test_an_invalid_mapping_is_refused_with_the_known_fields(pair: str) -> None:
    with pytest.raises(InvalidManifestError, match="FIELD=COLUMN") as caught:
        parse_columns([pair])
    assert "uploader_id" in caught.value.hint


def test_a_mapped_column_that_no_row_has_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, "jsonl", [{"video_id": "a", "channel_id": "c"}, {"video_id": "b"}])
    assert len(list(read_labelled([path], {"uploader_id": "channel_id"}))) == 2
    with pytest.raises(InvalidManifestError, match="no row has 'chanel_id'"):
        list(read_labelled([path], {"uploader_id": "chanel_id"}))


def test_numbers_may_be_ids(tmp_path: Path) -> None:
    path = write(tmp_path, "parquet", [{"video_id": 12, "uploader_id": 7}])
    assert list(read_videos(path, {})) == [VideoRef("12", uploader_id="7")]


def test_a_long_cell_of_a_csv_is_read(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text("video_id,title\na," + "x" * 300_000 + "\n")
    [video] = read_videos(path, {})
    assert isinstance(video, VideoRef)
    assert len(video.title) == 300_000


def test_two_fields_may_come_from_one_column_but_one_field_not_from_two(tmp_path: Path) -> None:
    path = write(tmp_path, "parquet", [{"video_id": "a", "name": "Hello"}])
    assert list(read_videos(path, {"title": "name", "description": "name"})) == [
        VideoRef("a", title="Hello", description="Hello")
    ]
    with pytest.raises(InvalidManifestError, match="title is already read from 'name'"):
        parse_columns(["title=name", "title=other"])


@pytest.mark.parametrize("uri", ["https://videos.example/a.mp4", "/videos/a.mp4", "file:///videos/a.mp4"])
def test_urls_and_absolute_paths_are_unchanged(tmp_path: Path, uri: str) -> None:
    path = write(tmp_path, "jsonl", [{"video_id": "a", "uri": uri}])
    assert list(read_videos(path, {})) == [VideoRef("a", uri)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"video_id": "b", "title": 3}', "line 2: title: expected text, found 3"),
        ('{"title": "x"}', "line 2: video_id: expected text or a whole number, found nothing"),
        ('{"video_id": " "}', "line 2: video_id"),
        ('{"video_id": "b", "title": "\\ud800"}', r"line 2: title: expected text, found '\ud800'"),
        ('{"video_id": true}', "line 2: video_id"),
        ('{"video_id": "b", "tags": [1]}', "line 2: tags: expected a list of texts"),
        ('{"video_id": "b", "tags": "one, two"}', "line 2: tags: expected a list of texts, found 'one, two'"),
        ('{"video_id": "b", "tags": {"a": 1}}', "line 2: tags: expected a list of texts"),
        ('{"video_id": "b"', "line 2: not JSON"),
        ('["b"]', "line 2: expected a JSON object"),
        ("[" * 100_000, "line 2: not JSON"),
        ('{"video_id": "a"}', "line 2: video_id 'a' repeats; first at v.jsonl line 1"),
    ],
)
def test_an_unreadable_row_is_named_with_its_line_field_and_what_was_expected(
    tmp_path: Path, line: str, message: str
) -> None:
    path = tmp_path / "v.jsonl"
    path.write_text('{"video_id": "a"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(InvalidManifestError) as caught:
        list(read_labelled([path], {}))
    assert message in caught.value.message


def test_a_streamed_manifest_continues_after_an_invalid_row_and_ignores_tags(tmp_path: Path) -> None:
    path = tmp_path / "v.jsonl"
    path.write_text('{"video_id": "a", "tags": 5}\n{"video_id": 1.5}\n{"video_id": "b"}\n', encoding="utf-8")
    first, second, third = read_videos(path, {})
    assert (first, third) == (VideoRef("a"), VideoRef("b"))
    assert isinstance(second, InvalidManifestError)


def test_a_video_in_two_manifests_is_reported_with_both_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.jsonl").write_text('{"video_id": "a"}\n', encoding="utf-8")
    with pytest.raises(InvalidManifestError, match=r"two\.jsonl: line 1: .*first at one\.jsonl line 1"):
        list(read_labelled([tmp_path / "one.jsonl", tmp_path / "two.jsonl"], {}))


def test_a_parquet_row_is_named_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "v.parquet"
    pq.write_table(pa.table({"video_id": pa.array(["a", None])}), path)
    with pytest.raises(InvalidManifestError, match="row 2: video_id"):
        list(read_labelled([path], {}))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("v.txt", b"x", "unknown kind of manifest '.txt'"),
        ("v.parquet", b"not parquet", "cannot be read"),
        ("v.jsonl", b'{"video_id": "\xff"}\n', "line 1: not JSON"),
        ("v.csv", b'video_id\n"a\n', "cannot be read"),
        ("v.csv", b"id,title\n1,x\n", "no column 'video_id'; found id, title"),
        ("v.csv", b"video_id,title,title\na,x,y\n", "two columns are named 'title'"),
        ("v.csv", b"video_id,tags\na,[1\n", "line 2: tags: expected a list of texts, found '[1'"),
        ("v.csv", b"", "no column 'video_id'; found no columns"),
        ("v.csv", b"video_id,title\na\n", "line 2: expected 2 cells as in the header, found 1"),
    ],
)
def test_a_file_that_is_not_a_manifest_gives_one_clear_error(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidManifestError) as caught:
        list(read_labelled([path], {}))
    assert message in caught.value.message


def test_a_missing_manifest_gives_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidManifestError, match=r"nowhere\.jsonl: cannot be read"):
        list(read_labelled([tmp_path / "nowhere.jsonl"], {}))


def test_ignored_columns_are_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path, "jsonl", [{"video_id": "a", "likes": 1}, {"video_id": "b", "likes": 2, "views": 3}])
    with caplog.at_level("INFO"):
        list(read_videos(path, {}))
    assert [r.getMessage() for r in caplog.records] == [
        "videos.jsonl: columns ignored: likes",
        "videos.jsonl: columns ignored: views",
    ]
