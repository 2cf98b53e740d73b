import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagging.errors import InvalidManifestError
from tagging.manifests.read import (
    parse_columns,
    read_categorised,
    read_labelled,
    read_predicted,
    read_tagged,
    read_videos,
    tables_of,
)
from tagging.types import CategorisedVideo, LabelledVideo, VideoRef


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


@pytest.mark.parametrize("name", ["tagged", "videos.jsonl", "videos.parquet"])
def test_a_path_with_nothing_is_named_as_such(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidManifestError, match=f"{tmp_path / name}: cannot be read: .*[Nn]o such file"):
        list(read_predicted(tables_of(tmp_path / name), {}))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("v.txt", b"x", "unknown kind of manifest '.txt'"),
        ("v.parquet", b"not parquet", "cannot be read"),
        ("v.jsonl", b'{"video_id": "\xff"}\n', "line 1: not JSON"),
        ("v.csv", b'video_id\n"a\n', "line 2: not CSV: unexpected end of data"),
        ("v.csv", b"id,title\n1,x\n", "no column 'video_id'; found id, title"),
        ("v.csv", b"video_id,title,title\na,x,y\n", "two columns are named 'title'"),
        ("v.csv", b"video_id,tags\na,[1\n", "line 2: tags: expected a list of texts, found '[1'"),
        ("v.csv", "video_id,title\n".encode("utf-16"), "line 1: found NUL characters"),
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


def lines_of_errors(path: Path) -> tuple[list[str], list[str]]:
    """The ids that are read from a manifest, and the location and reason of each row that is not."""
    rows = list(read_videos(path, {}))
    errors = [row.message.removeprefix(f"{path}: ") for row in rows if isinstance(row, InvalidManifestError)]
    return [row.video_id for row in rows if isinstance(row, VideoRef)], errors


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b'6,"A 6" puppy,dog', "line 4: not CSV: ',' expected after '\"'"),
        (b'6,"An open quote,dog', "line 4: not CSV: "),
        (b"6,Caf\xe9 puppy,dog", "line 4: expected UTF-8, found the byte 0xe9"),
        (b"6,\xed\xa0\x80,dog", "line 4: expected UTF-8, found the byte 0xed"),
        (b"6,a puppy", "line 4: expected 3 cells as in the header, found 2"),
        (b"6,a puppy,dog,cat", "line 4: expected 3 cells as in the header, found 4"),
        (b"6,a\0puppy,dog", "line 4: expected text, found a NUL character"),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_bad_row_of_a_csv_is_reported_with_its_line_and_no_other_row_is_lost(
    tmp_path: Path, row: bytes, reason: str, end: bytes
) -> None:
    path = tmp_path / "v.csv"
    two_lines = b'5,"two' + end + b'lines",dog'
    path.write_bytes(end.join([b"video_id,title,tags", two_lines, row, b'7,"a ""quoted"", word",dog', b"8,x,dog", b""]))
    ids, [error] = lines_of_errors(path)
    assert ids == ["5", "7", "8"]
    assert error.startswith(reason)


def test_every_bad_row_of_a_csv_is_reported_on_its_own(tmp_path: Path) -> None:
    rows = [f'{n},"open {n},x' if n % 3 == 0 else f'{n},"title, {n}",x' for n in range(1, 10)]
    (tmp_path / "v.csv").write_text("\n".join(["video_id,title,tags", *rows]))
    ids, errors = lines_of_errors(tmp_path / "v.csv")
    assert ids == ["1", "2", "4", "5", "7", "8"]
    assert [error.partition(":")[0] for error in errors] == ["line 4", "line 7", "line 10"]


def test_a_text_of_a_parquet_that_is_not_utf8_affects_only_its_row(tmp_path: Path) -> None:
    data = pa.array([b"cat", b"caf\xe9", b"dog"], pa.binary())
    titles = pa.Array.from_buffers(pa.string(), 3, data.buffers())
    pq.write_table(pa.table({"video_id": ["a", "b", "c"], "title": titles}), tmp_path / "v.parquet")
    ids, [error] = lines_of_errors(tmp_path / "v.parquet")
    assert ids == ["a", "c"]
    assert error.startswith("row 2: title: cannot be read")


def test_a_damaged_row_group_of_a_parquet_costs_only_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "v.parquet"
    ids = [f"video number {n}" for n in range(30)]
    pq.write_table(pa.table({"video_id": ids}), path, row_group_size=10, compression="snappy", use_dictionary=False)
    start = pq.read_metadata(path).row_group(1).column(0).data_page_offset
    data = bytearray(path.read_bytes())
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    good, [error] = lines_of_errors(path)
    assert good == ids[:10] + ids[20:]
    assert error.startswith("rows 11 to 20: cannot be read")


@pytest.mark.parametrize(("found", "read"), [(12.0, "12"), (-3.0, "-3"), (2.0**60, None), (1.5, None), (1e400, None)])
def test_a_whole_number_is_an_id_also_as_a_float(tmp_path: Path, found: float, read: str | None) -> None:
    path = write(tmp_path, "jsonl", [{"video_id": found}, {"video_id": "x", "uploader_id": found}])
    videos = [row for row in read_videos(path, {}) if isinstance(row, VideoRef)]
    assert videos == ([] if read is None else [VideoRef(read), VideoRef("x", uploader_id=read)])


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_nan_is_a_missing_value(tmp_path: Path, kind: str) -> None:
    nan = float("nan")
    path = write(tmp_path, kind, [{"video_id": "a", "uri": nan, "title": nan, "tags": nan, "uploader_id": nan}])
    assert list(read_labelled([path], {})) == [LabelledVideo(VideoRef("a"), (), "")]


@pytest.mark.parametrize(
    "cell",
    [
        '["rock, pop", "cat\'s"]',
        "['rock, pop', \"cat's\"]",
        "['rock, pop' \"cat's\"]",
        "['rock, pop'\n \"cat's\"]",
        "[]",
    ],
)
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_list_that_was_written_as_text_is_read_as_a_list(tmp_path: Path, kind: str, cell: str) -> None:
    path = write(tmp_path, kind, [{"video_id": "a", "tags": cell}])
    assert next(read_labelled([path], {})).tags == (() if cell == "[]" else ("rock, pop", "cat's"))


@pytest.mark.parametrize("cell", ["[dog, pet]", "['dog', 5]", "['dog'", "[__import__('os')]", "['dog'] + ['pet']"])
def test_the_text_of_another_list_is_refused(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path, "csv", [{"video_id": "a", "tags": cell}])
    with pytest.raises(InvalidManifestError, match="line 2: tags: expected a list of texts"):
        list(read_labelled([path], {}))


def test_a_comma_in_the_tags_of_a_csv_is_part_of_a_name_and_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "v.csv"
    path.write_text('video_id,tags\na,dog|pet\nb,"dog, pet"\nc,"cat, pet"\n')
    assert [row.tags for row in read_labelled([path], {})] == [("dog", "pet"), ("dog, pet",), ("cat, pet",)]
    [record] = caplog.records
    assert record.getMessage().startswith("v.csv: line 3: 'dog, pet' is read as one tag")
    caplog.clear()
    list(read_videos(path, {}))  # tags are not read
    assert not caplog.records


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_html_entities_in_tags_are_decoded(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind, [{"video_id": "a", "tags": ["Tom &amp; Jerry", "AT&T", "caf&#233;", "a&copy b"]}])
    assert next(read_labelled([path], {})).tags == ("Tom & Jerry", "AT&T", "café", "a&copy b")


@pytest.mark.parametrize(
    "line",
    [
        '{"video_id": "http://me:secret@host/", "title": 5, "tags": "http://me:secret@host/"}',
        '{"video_id": "a", "uri": "http://me:secret@host/\\ud800"}',
        '{"video_id": ["http://me:secret@host/"]}',
    ],
)
def test_no_message_contains_the_password_of_a_url(tmp_path: Path, line: str) -> None:
    (tmp_path / "v.jsonl").write_text(line + "\n")
    with pytest.raises(InvalidManifestError) as caught:
        list(read_labelled([tmp_path / "v.jsonl"], {}))
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_predicted_tags_are_read_by_their_names_and_never_as_labels(tmp_path: Path, kind: str) -> None:
    predicted = [{"name": "dog", "confidence": 0.9, "spans": []}, {"name": "cat", "confidence": 0.4, "spans": []}]
    path = write(tmp_path, kind, [{"video_id": "a", "tags": predicted}, {"video_id": "b", "tags": []}])
    assert [row.tags for row in read_tagged([path], {})] == [("dog", "cat"), ()]
    with pytest.raises(InvalidManifestError, match="expected a list of texts"):
        list(read_labelled([path], {}))


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_predicted_tags_are_read_with_their_confidences(tmp_path: Path, kind: str) -> None:
    tags = [{"name": "Tom &amp; Jerry", "confidence": 0.9}, {"name": "cat", "confidence": 1}]
    path = write(tmp_path, kind, [{"video_id": "a", "tags": tags}, {"video_id": "b", "tags": []}])
    found = list(read_predicted([path], {}))
    assert [(row.tags, row.confidences) for row in found] == [(("Tom & Jerry", "cat"), (0.9, 1.0)), ((), ())]


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (["cat"], "expected tags with a name and a confidence"),
        ([{"name": "cat"}], "expected a confidence in .0, 1., found nothing"),
        ([{"name": "cat", "confidence": 1.5}], "found 1.5"),
        ([{"name": "cat", "confidence": float("nan")}], "found nan"),
    ],
)
def test_predictions_without_a_confidence_are_refused(tmp_path: Path, tags: list[object], message: str) -> None:
    path = write(tmp_path, "jsonl", [{"video_id": "a", "tags": tags}])
    with pytest.raises(InvalidManifestError, match=message):
        list(read_predicted([path], {}))


@pytest.mark.parametrize("tags", [[{"confidence": 0.9}], [{"name": None}], [{"name": "dog"}, "cat"]])
def test_predicted_tags_without_a_name_are_refused(tmp_path: Path, tags: list[object]) -> None:
    path = write(tmp_path, "jsonl", [{"video_id": "a", "tags": tags}])
    with pytest.raises(InvalidManifestError, match="expected a list of texts"):
        list(read_tagged([path], {}))


def test_categories_are_texts_or_numbers_and_only_their_reader_checks_them(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"video_id": "a", "tags": ["x"], "kind": 10, "subcategory": "Pop", "language": "en"},
        {"video_id": "b", "tags": [], "kind": None},
        {"video_id": "c", "tags": [], "kind": ["many"]},
    ]
    path = write(tmp_path, "jsonl", rows)
    found = read_categorised([path], {"category": "kind"})
    assert next(found) == CategorisedVideo(VideoRef("a"), ("x",), category="10", subcategory="Pop", language="en")
    assert next(found) == CategorisedVideo(VideoRef("b"), ())
    with pytest.raises(InvalidManifestError, match="line 3: category: expected text or a whole number"):
        next(found)
    assert len(list(read_labelled([path], {"category": "kind"}))) == 3
