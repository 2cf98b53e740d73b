import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tagging.errors import InvalidManifestError, OutputExistsError
from tagging.jobs import local
from tagging.jobs.local import run_batch
from tagging.pipeline import load_tagger
from tagging.progress import Silent
from tagging.types import VideoRef


def test_every_row_comes_out_once_tagged_or_as_a_dead_letter(
    tiny_bundle: Path, unseen_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "ROWS_A_PART", 4)
    folder = unseen_corpus.parent
    good = [json.loads(line) for line in unseen_corpus.read_text().splitlines()]
    (folder / "junk.mp4").write_bytes(b"junk")
    lines = [json.dumps(row) for row in good]
    lines[3:3] = ['{"video_id": "junk", "uri": "junk.mp4"}', "not json", '{"video_id": "gone", "uri": "gone.mp4"}']
    lines += [lines[0], '{"video_id": "empty"}', '{"title": "no id"}']
    manifest = folder / "batch.jsonl"
    manifest.write_text("\n".join(lines) + "\n")

    with load_tagger(tiny_bundle) as tagger:
        report = run_batch(manifest, {}, tmp_path / "out", tagger, tagger.selection(3), Silent())
        one = tagger.tag(
            VideoRef("x", str(folder / good[0]["uri"]), good[0]["title"], good[0]["description"]), tagger.selection(3)
        )

    tagged = [row for p in sorted((tmp_path / "out").glob("*.parquet")) for row in pq.read_table(p).to_pylist()]
    dead = [
        row for p in sorted((tmp_path / "out/dead_letters").glob("*.parquet")) for row in pq.read_table(p).to_pylist()
    ]
    assert (report.tagged, report.dead_letters) == (len(tagged), len(dead)) == (8, 6)
    assert [row["video_id"] for row in tagged] == [row["video_id"] for row in good]
    assert sorted((row["video_id"] or "", row["error"]) for row in dead) == [
        ("", "InvalidManifestError"),
        ("", "InvalidManifestError"),
        ("", "InvalidManifestError"),
        ("empty", "InvalidVideoError"),
        ("gone", "MediaNotFoundError"),
        ("junk", "InvalidMediaError"),
    ]
    assert all(row["message"] for row in dead)
    assert [t["name"] for t in tagged[0]["tags"]] == [t.name for t in one.tags]
    assert [t["confidence"] for t in tagged[0]["tags"]] == pytest.approx([t.confidence for t in one.tags], abs=1e-5)
    assert len(list((tmp_path / "out").glob("*.parquet"))) == 2
    assert not list((tmp_path / "out").rglob(".*partial"))


def test_a_folder_that_holds_something_is_refused(tiny_bundle: Path, unseen_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "part-00000.parquet").write_bytes(b"somebody's")
    with load_tagger(tiny_bundle) as tagger, pytest.raises(OutputExistsError, match="not an empty folder"):
        run_batch(unseen_corpus, {}, tmp_path, tagger, tagger.selection(None), Silent())
    assert (tmp_path / "part-00000.parquet").read_bytes() == b"somebody's"


def test_an_empty_manifest_gives_an_empty_table(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").write_text("")
    with load_tagger(tiny_bundle) as tagger:
        run_batch(tmp_path / "none.jsonl", {}, tmp_path / "out", tagger, tagger.selection(None), Silent())
    [part] = (tmp_path / "out").iterdir()
    assert pq.read_table(part).schema.equals(local.TAGGED)
    assert pq.read_table(part).num_rows == 0


def test_a_manifest_that_cannot_be_opened_makes_no_folder(tiny_bundle: Path, tmp_path: Path) -> None:
    with load_tagger(tiny_bundle) as tagger, pytest.raises(InvalidManifestError):
        run_batch(tmp_path / "none.jsonl", {}, tmp_path / "out", tagger, tagger.selection(None), Silent())
    assert not (tmp_path / "out").exists()
