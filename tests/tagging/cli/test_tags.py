"""The `videotag tags` commands and the use of their tables by `train`."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tagging.bundle.manifest import BUNDLE
from tagging.jobs.tables import TAGGED
from tagging.tags.catalog import TagCatalog
from tests.support.cli import error_lines, run
from tests.support.configs import TEXT_ONLY_TOML

VIDEOS = [
    ("ann", ["Spider-Man", "marvel"]),
    ("ann", ["spider-man", "Spider Man", "comics"]),
    ("bob", ["spider-man", "mariobros", "game"]),
    ("bob", ["mario bros", "game", "nes"]),
    ("cid", ["mario bros", "games"]),
]


def manifest(folder: Path) -> Path:
    rows = [
        {"video_id": f"v{n}", "title": f"title {n}", "uploader_id": uploader, "tags": tags}
        for n, (uploader, tags) in enumerate(VIDEOS)
    ]
    path = folder / "videos.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def train(folder: Path, out: Path, *more: object) -> list[str]:
    """Train a text-only bundle; return the lines of the error, if any."""
    toml = folder / "text.toml"
    toml.write_text(TEXT_ONLY_TOML)
    args = ("--manifest", manifest(folder), "--config", toml, "--features", folder / "features", "--out", out)
    result = run("train", *args, *more)
    return error_lines(result) if result.returncode else []


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("variants")
    assert train(folder, folder / "bundle") == []
    return folder / "bundle"


@pytest.mark.parametrize("command", ["aliases", "new", "add"])
def test_the_help_of_the_tags_commands_has_examples(command: str) -> None:
    result = run("tags", command, "--help")
    assert result.returncode == 0
    assert f"videotag tags {command}" in result.stdout


def test_aliases_are_proposed_reviewed_and_merged(tmp_path: Path, bundle: Path) -> None:
    path = tmp_path / "aliases.csv"
    result = run("tags", "aliases", "--bundle", bundle, "--out", path, "--format", "json")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["differences"] == [
        {"difference": "hyphen", "proposals": 1, "accepted": 1},
        {"difference": "plural", "proposals": 1, "accepted": 0},
        {"difference": "spacing", "proposals": 1, "accepted": 0},
    ]
    pairs = {(row["tag"], row["alias"]): row["accept"] for row in answer["proposals"]}
    assert pairs == {("spider-man", "Spider Man"): "yes", ("mario bros", "mariobros"): "", ("game", "games"): ""}

    with path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    for row in rows:  # as an editor does
        row["accept"] = row["accept"] or ("yes" if row["alias"] == "mariobros" else "no")
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)

    assert train(tmp_path, tmp_path / "merged", "--aliases", path) == []
    catalog = TagCatalog.load(tmp_path / "merged" / "catalog.parquet")
    by_name = dict(zip(catalog.names, catalog.counts.tolist(), strict=True))
    assert by_name == {"spider-man": 3, "mario bros": 3, "game": 2, "games": 1, "marvel": 1, "comics": 1, "nes": 1}
    assert set(catalog.aliases[catalog.names.index("mario bros")]) == {"mariobros"}
    assert set(catalog.aliases[catalog.names.index("spider-man")]) == {
        "Spider-Man"
    }  # it is the second tag of one video
    sources = [source.name for source in BUNDLE.read(tmp_path / "merged").training.sources]
    assert sources == ["videos.jsonl", "aliases.csv"]
    table = run("tags", "aliases", "--bundle", tmp_path / "merged")
    assert table.returncode == 0
    assert "games" in table.stdout
    assert "mariobros" not in table.stdout


def test_a_user_error_is_one_line_and_a_hint(tmp_path: Path, bundle: Path) -> None:
    path = tmp_path / "aliases.csv"
    path.write_text("accept,tag,alias\nyes,a,b\n")
    assert "exists" in error_lines(run("tags", "aliases", "--bundle", bundle, "--out", path))[0]
    assert "is not a bundle" in error_lines(run("tags", "aliases", "--bundle", tmp_path))[0]

    out = tmp_path / "out"
    assert "no video to learn from has the tag 'a', nor 1 more" in train(tmp_path, out, "--aliases", path)[0]
    path.write_text("accept,tag,alias\nyes,game,games\nyes,games,game\n")
    assert "aliases form a cycle" in train(tmp_path, out, "--aliases", path)[0]
    assert not out.exists()


def backlog(folder: Path) -> tuple[Path, Path]:
    """Return the output folder of a batch and its manifest."""
    rows, videos = [], []
    for n, names in enumerate([["gravel bike", "GAME"], ["Gravel  Bike", "games"], ["gravel bike"], ["rain cover"]]):
        tags = [{"name": name, "confidence": 0.6, "id": "", "is_new": True} for name in names]
        rows.append({"video_id": f"b{n}", "tags": tags})
        videos.append({"id": f"b{n}", "title": f"Ride {n}", "uploader_id": f"u{n}"})
    (folder / "batch/tagged").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, TAGGED), folder / "batch/tagged/part-00000.parquet")
    (folder / "backlog.jsonl").write_text("".join(json.dumps(video) + "\n" for video in videos))
    return folder / "batch", folder / "backlog.jsonl"


def test_new_tags_are_reviewed_added_and_recalled(tmp_path: Path, bundle: Path) -> None:
    tagged, videos = backlog(tmp_path)
    listed = ("tags", "new", tagged, "--manifest", videos, "--map", "video_id=id")
    result = run(*listed, "--bundle", bundle, "--format", "json")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert (answer["new_tags"], answer["accepted"], answer["uploaders"]) == (2, 1, "by the manifest")
    bike, cover = answer["tags"]
    assert (bike["tag"], bike["accept"], bike["videos"], bike["uploaders"]) == ("gravel bike", "yes", 3, 3)
    assert (bike["video_ids"], bike["titles"]) == (["b0", "b1", "b2"], ["Ride 0", "Ride 1", "Ride 2"])
    assert (cover["tag"], cover["accept"]) == ("rain cover", "")

    path = tmp_path / "new.csv"
    assert "gravel bike" in run(*listed, "--out", path).stdout  # with the starter bundle
    path.write_text(path.read_text().replace(",rain cover,,", "yes,rain cover,,"))  # as an editor does
    result = run("tags", "add", "bikepacking", "--from", path, "--out", tmp_path / "mine", "--format", "json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["added"] == 3
    result = run("tag", "--title", "Gravel bikes", "--bundle", tmp_path / "mine", "--format", "json")
    assert "gravel bike" in {tag["name"] for tag in json.loads(result.stdout)["tags"]}
    result = run("tags", "new", tagged, "--bundle", tmp_path / "mine")
    assert (result.returncode, result.stdout) == (0, "the bundle has all tags of the batch\n")


def test_without_a_manifest_uploaders_are_reported_as_unknown(tmp_path: Path, bundle: Path) -> None:
    tagged, _ = backlog(tmp_path)
    result = run("tags", "new", tagged, "--bundle", bundle)
    assert result.returncode == 0, result.stderr
    assert "unknown: every video counts as one of a different uploader" in result.stdout


def test_a_user_error_with_new_tags_is_one_line_and_a_hint(tmp_path: Path, bundle: Path) -> None:
    tagged, _ = backlog(tmp_path)
    assert "holds no results" in error_lines(run("tags", "new", tmp_path, "--bundle", bundle))[0]
    assert "cannot be read" in error_lines(run("tags", "new", tagged, "--manifest", tmp_path / "no.csv"))[0]
    assert run("tags", "new", tagged, "--map", "video_id=id").returncode == 2
    assert run("tags", "add", "--out", tmp_path / "out").returncode == 2
    add = ("tags", "add", "--bundle", bundle, "--out", tmp_path / "out")
    assert "'GAME' is in the catalog already, as the tag 'game'" in error_lines(run(*add, "GAME"))[0]
    assert "is empty" in error_lines(run(*add, " "))[0]
    assert "no.csv: cannot be read" in error_lines(run(*add, "--from", tmp_path / "no.csv"))[0]
    assert "exists" in error_lines(run(*add[:-1], tagged, "a"))[0]
    assert not (tmp_path / "out").exists()
