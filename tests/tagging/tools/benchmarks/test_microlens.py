"""The converter of MicroLens: hashtags of several words, and both tables."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagging.manifests.read import read_labelled
from tagging.recommendation.interactions import read_interactions
from tagging.tools.benchmarks.microlens import split_hashtags
from tests.support.tools import run_tools


def test_a_hashtag_ends_at_the_next_and_is_counted_once() -> None:
    assert split_hashtags("see the  end # funny God #ending＃ Funny god #") == ("see the end", ["funny God", "ending"])
    assert split_hashtags("# comic") == ("", ["comic"])
    assert split_hashtags("no hashtag") == ("no hashtag", [])


def test_the_tables_are_read_as_manifest_and_interactions(tmp_path: Path) -> None:
    sentence = "game creator and a sentence that stands behind the hashtag"
    titles = ["a dish # food", f"# {sentence}", None]
    pq.write_table(pa.table({"video_id": [3, 5, 6], "title": titles}), tmp_path / "titles.parquet")
    pq.write_table(pa.table({"user_id": [1, 2], "videos": [[5, 3], [6]]}), tmp_path / "sequences.parquet")
    out = tmp_path / "out"
    run_tools("benchmarks", "microlens", tmp_path / "sequences.parquet", tmp_path / "titles.parquet", "--out", out)
    videos = list(read_labelled([out / "videos.parquet"], {}))
    assert [(video.video.video_id, video.video.title, video.tags) for video in videos] == [
        ("3", "a dish", ("food",)),
        ("5", "", ()),
        ("6", "", ()),
    ]
    found = read_interactions(out / "interactions.parquet", [video.video.video_id for video in videos])
    assert [found.videos.at(user).tolist() for user in range(2)] == [[1, 0], [2]]
    run_tools(
        "benchmarks", "microlens", tmp_path / "sequences.parquet", tmp_path / "titles.parquet", "--out", out, code=1
    )


@pytest.mark.parametrize(
    ("user_ids", "videos", "message"),
    [
        ([1, None], [["3"], ["3"]], "row 2: user_id: expected an id, found nothing"),
        ([1, 2], [["3"], None], "row 2: videos: expected a list of ids, found nothing"),
        ([1, 2], [["3"], ["3", None]], "row 2: videos: expected an id, found nothing"),
        ([1, 2], ["35", "3"], "row 1: videos: expected a list of ids, found '35'"),
    ],
)
def test_a_row_of_sequences_that_cannot_be_read_is_named(
    user_ids: list[int | None], videos: list[object], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(pa.table({"video_id": [3], "title": ["a dish"]}), tmp_path / "titles.parquet")
    pq.write_table(pa.table({"user_id": user_ids, "videos": videos}), tmp_path / "sequences.parquet")
    arguments = (tmp_path / "sequences.parquet", tmp_path / "titles.parquet", "--out", tmp_path / "out")
    run_tools("benchmarks", "microlens", *arguments, code=1)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("video_ids", "titles", "message"),
    [([None], ["x"], "row 1: video_id: expected an id"), ([3], [7], "row 1: title: expected text, found 7")],
)
def test_a_row_of_titles_that_cannot_be_read_is_named(
    video_ids: list[int | None], titles: list[object], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(
        pa.table({"video_id": pa.array(video_ids, pa.int64()), "title": titles}), tmp_path / "titles.parquet"
    )
    pq.write_table(pa.table({"user_id": [1], "videos": [["3"]]}), tmp_path / "sequences.parquet")
    arguments = (tmp_path / "sequences.parquet", tmp_path / "titles.parquet", "--out", tmp_path / "out")
    run_tools("benchmarks", "microlens", *arguments, code=1)
    assert message in capsys.readouterr().err
