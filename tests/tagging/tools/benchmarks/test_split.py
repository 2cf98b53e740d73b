"""Splits of tables: no uploader is in both training and test, and dropped rows are counted."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tagging.errors import InvalidManifestError, OutputExistsError
from tagging.manifests.read import read_labelled
from tagging.tools.benchmarks.datasets import Row, read_dataset
from tagging.tools.benchmarks.hashtags import cut_hashtags
from tagging.tools.benchmarks.split import divide, write_split
from tests.support.benchmark_data import write_parquet, write_youtube
from tests.support.tools import run_tools


def rows(uploaders: int, each: int) -> list[Row]:
    return [Row(f"{u}-{n}", "t", "", ("a",), f"u{u}") for u in range(uploaders) for n in range(each)]


def test_whole_uploaders_are_held_out_and_every_video_is_in_exactly_one_part() -> None:
    parts = divide(rows(2000, 5))
    uploaders = {name: {row.uploader_id for row in part} for name, part in parts.items()}
    assert not uploaders["unseen"] & (uploaders["train"] | uploaders["seen"])
    ids = [row.video_id for part in parts.values() for row in part]
    assert len(ids) == len(set(ids)) == 10_000
    assert len(uploaders["unseen"]) / 2000 == pytest.approx(0.08, abs=0.02)
    assert len(parts["seen"]) / (10_000 - len(parts["unseen"])) == pytest.approx(0.03, abs=0.01)


def test_the_part_of_a_video_depends_only_on_its_ids_and_the_seed() -> None:
    videos = rows(200, 5)
    part_of = {row.video_id: name for name, part in divide(videos).items() for row in part}
    fewer = {row.video_id: name for name, part in divide(videos[::-3]).items() for row in part}
    other = {row.video_id: name for name, part in divide(videos, seed=1).items() for row in part}
    assert fewer.items() <= part_of.items()
    assert other != part_of


def test_without_uploaders_there_is_one_test() -> None:
    parts = divide([Row(str(n), "t", "", ("a",)) for n in range(2000)])
    assert set(parts) == {"train", "test"}
    assert len(parts["test"]) / 2000 == pytest.approx(0.2, abs=0.03)


def test_the_parts_are_manifests_with_the_scorers_channels(tmp_path: Path) -> None:
    dataset = read_dataset("youtube", write_youtube(tmp_path / "y.parquet"))
    report = write_split(dataset, tmp_path / "out")
    by_part = {row["part"]: row for row in report}
    assert sum(int(row["videos"]) for row in report) == dataset.counts["rows_read"] == 240
    assert by_part["unseen"]["of_uploaders_in_train"] == 0
    for name in ("train", "unseen", "seen"):
        table = pq.read_table(tmp_path / "out" / f"{name}.parquet").to_pydict()
        assert table["channel_id"] == table["uploader_id"]
        read = list(read_labelled([tmp_path / "out" / f"{name}.parquet"], {}))
        assert len(read) == by_part[name]["videos"]
        assert sum(bool(row.tags) for row in read) == by_part[name]["tagged"]


def test_an_existing_benchmark_is_never_overwritten(tmp_path: Path) -> None:
    dataset = read_dataset("youtube", write_youtube(tmp_path / "y.parquet"))
    write_split(dataset, tmp_path / "out")
    with pytest.raises(OutputExistsError):
        write_split(dataset, tmp_path / "out")


@pytest.mark.parametrize(
    ("caption", "tags", "want"),
    [
        ("look #dog #Big Cat here", ["dog", "big cat"], "look here"),
        ("这真是完美 #搞笑 #感谢快手我要上热门", ["搞笑", "感谢快手我要上热门"], "这真是完美"),
        ("爱你们#情感视频# #求热门# #官方 #", ["情感视频", "求热门", "官方"], "爱你们"),
        ("#推广助手助我上热门 end", ["推广助手", "推广助手助我上热门"], "end"),
        ("所向＃热门. more", ["热门"], "所向 . more"),
        ("#unlisted text", [], "text"),
        ("a dog, no hashtag", ["dog"], "a dog, no hashtag"),
    ],
)
def test_hashtags_are_cut_out_of_a_caption(caption: str, tags: list[str], want: str) -> None:
    assert cut_hashtags(caption, tags) == want


def test_captions_of_only_hashtags_are_dropped_and_counted(tmp_path: Path) -> None:
    captions = [("a walk #dog", ["dog"]), ("#dog", ["dog"]), ("a walk", []), ("the dog #dog", ["dog"]), ("", [])]
    table = [
        {"video_id": n, "caption": c, "cover_text": None if n else "a #dog", "tags": t}
        for n, (c, t) in enumerate(captions)
    ]
    dataset = read_dataset("kuairec", write_parquet(tmp_path / "k.parquet", table))
    assert [(row.video_id, row.title, row.description) for row in dataset.rows] == [
        ("0", "a walk", "a"),
        ("3", "the dog", ""),
    ]
    assert dict(dataset.counts) == {
        "rows_read": 5, "left_out_without_hashtags": 2, "left_out_without_caption": 1,
        "tags": 2, "tags_still_literal": 1,
    }  # fmt: skip


def test_a_repeated_video_is_rejected(tmp_path: Path) -> None:
    row = {"item_id": "x", "title": "t", "description": "", "tags": ["a"]}
    with pytest.raises(InvalidManifestError, match="'x' occurs in 2 rows"):
        read_dataset("ted", write_parquet(tmp_path / "t.parquet", [row, row]))


@pytest.mark.parametrize("content", ["missing", "junk", "other columns"])
def test_an_unreadable_table_is_a_one_line_error(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.parquet"
    if content == "junk":
        path.write_bytes(b"no parquet")
    elif content == "other columns":
        write_parquet(path, [{"video_id": "a"}])
    run_tools("benchmarks", "split", "youtube", str(path), "--out", str(tmp_path / "out"), code=1)
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: ")
    assert not (tmp_path / "out").exists()
