"""The halves of MicroLens' videos: no video is in both, and users keep those of the second half in order."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.tools import run_tools

VIDEOS = [str(number) for number in range(40)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two users who watched all videos, one of them from the last to the first, and one who watched one."""
    source = tmp_path / "microlens"
    source.mkdir()
    tags = [["food"]] * len(VIDEOS)
    pq.write_table(pa.table({"video_id": VIDEOS, "title": VIDEOS, "tags": tags}), source / "videos.parquet")
    watched = [VIDEOS, VIDEOS[::-1], VIDEOS[:1]]
    pq.write_table(pa.table({"user_id": ["a", "b", "c"], "videos": watched}), source / "interactions.parquet")
    return source


def test_a_video_is_in_one_half_and_users_keep_the_order(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "halves"
    run_tools("benchmarks", "halves", folder, "--out", out)
    train, videos, users = (
        pq.read_table(out / f"{name}.parquet").to_pylist() for name in ("train", "videos", "interactions")
    )
    trained_on, recommended = ([row["video_id"] for row in rows] for rows in (train, videos))
    assert sorted(trained_on + recommended) == sorted(VIDEOS)
    assert 10 < len(recommended) < 30
    assert train[0] == {"video_id": trained_on[0], "title": trained_on[0], "tags": ["food"]}
    assert [(user["user_id"], user["videos"]) for user in users] == [("a", recommended), ("b", recommended[::-1])]
    again = tmp_path / "again"
    run_tools("benchmarks", "halves", folder, "--out", again)
    assert (again / "videos.parquet").read_bytes() == (out / "videos.parquet").read_bytes()


def test_another_folder_and_an_existing_one_are_one_error(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_tools("benchmarks", "halves", tmp_path, "--out", tmp_path / "out", code=1)
    assert "has no tables of MicroLens" in capsys.readouterr().err
    run_tools("benchmarks", "halves", folder, "--out", folder, code=1)
    pq.write_table(pa.table({"id": VIDEOS}), folder / "videos.parquet")
    run_tools("benchmarks", "halves", folder, "--out", tmp_path / "out", code=1)
    assert "has no tables of MicroLens" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
