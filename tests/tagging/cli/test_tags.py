"""`videotag tags` and what `train` makes of it, as a user meets them."""

import csv
import json
from pathlib import Path

import pytest

from tagging.catalog import TagCatalog
from tagging.store.bundle import read_manifest
from tests.tagging.cli.test_commands import run, told

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
    """Of a text-only bundle; the lines of its error, none where there is none."""
    toml = folder / "text.toml"
    toml.write_text(
        '[encoders.text]\nbackend = "hashed-ngrams"\n'
        '[encoders.vision]\nbackend = "none"\n[encoders.audio]\nbackend = "none"\n'
    )
    args = ("--manifest", manifest(folder), "--config", toml, "--features", folder / "features", "--out", out)
    result = run("train", *args, *more)
    return told(result) if result.returncode else []


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("variants")
    assert train(folder, folder / "bundle") == []
    return folder / "bundle"


def test_help_explains_itself_with_examples() -> None:
    result = run("tags", "aliases", "--help")
    assert result.returncode == 0
    assert "videotag tags aliases" in result.stdout


def test_spellings_are_proposed_judged_and_merged(tmp_path: Path, bundle: Path) -> None:
    path = tmp_path / "aliases.csv"
    result = run("tags", "aliases", "--bundle", bundle, "--out", path, "--format", "json")
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["differences"] == [
        {"difference": "hyphen", "proposals": 1, "accepted": 1},
        {"difference": "plural", "proposals": 1, "accepted": 0},
        {"difference": "spacing", "proposals": 1, "accepted": 0},
    ]
    pairs = {(one["tag"], one["alias"]): one["accept"] for one in answer["proposals"]}
    assert pairs == {("spider-man", "Spider Man"): "yes", ("mario bros", "mariobros"): "", ("game", "games"): ""}

    with path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    for row in rows:  # the editor's work
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
    assert set(catalog.aliases[catalog.names.index("spider-man")]) == {"Spider-Man"}  # on one video it stands second
    sources = [source.name for source in read_manifest(tmp_path / "merged").training.sources]
    assert sources == ["videos.jsonl", "aliases.csv"]
    table = run("tags", "aliases", "--bundle", tmp_path / "merged")
    assert table.returncode == 0
    assert "games" in table.stdout
    assert "mariobros" not in table.stdout


def test_what_a_user_gets_wrong_is_one_line_and_a_hint(tmp_path: Path, bundle: Path) -> None:
    path = tmp_path / "aliases.csv"
    path.write_text("accept,tag,alias\nyes,a,b\n")
    assert "exists" in told(run("tags", "aliases", "--bundle", bundle, "--out", path))[0]
    assert "is not a bundle" in told(run("tags", "aliases", "--bundle", tmp_path))[0]

    out = tmp_path / "out"
    assert "no video to learn from has the tag 'a', nor 1 more" in train(tmp_path, out, "--aliases", path)[0]
    path.write_text("accept,tag,alias\nyes,game,games\nyes,games,game\n")
    assert "aliases in a circle" in train(tmp_path, out, "--aliases", path)[0]
    assert not out.exists()
