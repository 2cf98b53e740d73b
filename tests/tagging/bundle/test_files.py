import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tagging.bundle.manifest import BUNDLE
from tagging.bundle.sealed import content_digest, file_sha256
from tagging.errors import (
    ArtifactCorruptError,
    ArtifactError,
    ArtifactMismatchError,
    ArtifactNotFoundError,
    OutputExistsError,
)
from tagging.files.atomic import atomic_folder
from tagging.pipeline.load import load_tagger


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def edit(bundle: Path, **values: object) -> None:
    path = bundle / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def edit_and_seal(bundle: Path, **values: object) -> None:
    """Write other values with a valid digest, as a faulty writer would."""
    edit(bundle, **values)
    path = bundle / "manifest.json"
    edit(bundle, version=f"20260101T000000Z-{content_digest(json.loads(path.read_text()))}")


def test_the_manifest_lists_every_file_and_the_provenance(tiny_bundle: Path, corpus: Path) -> None:
    manifest = BUNDLE.read(tiny_bundle)
    on_disk = {p.relative_to(tiny_bundle).as_posix() for p in tiny_bundle.rglob("*") if p.is_file()}
    assert on_disk == {*manifest.files, "manifest.json"}
    assert set(manifest.channels) == {"text", "video", "audio"}
    assert manifest.counts["videos"] == 60
    assert manifest.channels["video"].count == 24
    assert [s.name for s in manifest.training.sources] == [corpus.name]
    assert {"torch", "faiss-cpu"} <= set(manifest.training.packages)


@pytest.mark.parametrize("name", ["catalog.parquet", "videos.parquet", "channels/text/index.faiss"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_file_is_named(bundle: Path, name: str, damage: str) -> None:
    path = bundle / name
    if damage == "remove":
        path.unlink()
    else:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content if damage == "flip" else content[:-1])
    with pytest.raises(ArtifactCorruptError, match=name):
        load_tagger(bundle)


def test_a_bundle_of_another_format_is_refused(bundle: Path) -> None:
    edit(bundle, format=99)
    with pytest.raises(ArtifactMismatchError, match="format 99, this videotag reads format 9"):
        load_tagger(bundle)


def test_a_bundle_of_another_text_normalisation_is_refused(bundle: Path) -> None:
    edit_and_seal(bundle, normalisation=1)  # as of a bundle from before the manifest stated it
    with pytest.raises(ArtifactMismatchError, match="bundle of text normalisation 1, this videotag reads 2") as caught:
        load_tagger(bundle)
    assert "`videotag train` again" in caught.value.hint


def test_a_bundle_of_another_encoder_is_refused(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["encoders"]["text"]["fingerprint"] = "0123456789abcdef"
    edit_and_seal(bundle, encoders=manifest["encoders"])
    with pytest.raises(ArtifactMismatchError, match="text encoder has fingerprint 0123456789abcdef"):
        load_tagger(bundle)


def test_a_manifest_that_was_edited_by_hand_is_refused(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["config"]["rank"]["fusion"]["text_weight"] = 0.0
    edit(bundle, config=manifest["config"])
    with pytest.raises(ArtifactCorruptError, match=r"manifest\.json was changed"):
        load_tagger(bundle)


def test_a_bundle_with_inconsistent_parts_is_refused_despite_a_valid_digest(bundle: Path) -> None:
    rows = bundle / "channels/video/rows.npy"
    np.save(rows, np.load(rows) - 1)
    files = json.loads((bundle / "manifest.json").read_text())["files"]
    files["channels/video/rows.npy"] = {"sha256": file_sha256(rows), "bytes": rows.stat().st_size}
    edit_and_seal(bundle, files=files)
    with pytest.raises(ArtifactCorruptError, match="video: rows of other videos than the 60"):
        load_tagger(bundle)


def test_a_file_instead_of_a_bundle_folder_is_one_clear_error(bundle: Path) -> None:
    with pytest.raises(ArtifactNotFoundError, match="no folder"):
        load_tagger(bundle / "catalog.parquet")


@pytest.mark.parametrize(
    "content", ["[" * 200_000, "", "{", "[]", "null", '{"format": 2}', '{"format": 2, "version": []}']
)
def test_a_manifest_that_is_not_valid_json_gives_one_clear_error(bundle: Path, content: str) -> None:
    (bundle / "manifest.json").write_text(content)
    with pytest.raises(ArtifactError) as caught:
        load_tagger(bundle)
    assert caught.value.hint


def test_a_folder_without_a_manifest_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotFoundError, match="not a bundle") as caught:
        load_tagger(tmp_path)
    assert "videotag train" in caught.value.hint


def test_an_existing_bundle_is_never_overwritten(bundle: Path) -> None:
    with pytest.raises(OutputExistsError, match="never written over"), atomic_folder(bundle):
        pass


def test_an_error_while_writing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "b") as folder:
        (folder / "half").write_text("x")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


WRITER = """
import sys, time
from pathlib import Path
from tagging.files.atomic import atomic_folder
with atomic_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("x")
    print("writing", flush=True)
    time.sleep(60)
"""


def start_writer(out: Path) -> "subprocess.Popen[str]":
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(out)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "writing\n"
    return writer


def test_files_of_a_killed_writer_are_removed_and_those_of_a_running_writer_are_kept(tmp_path: Path) -> None:
    out = tmp_path / "b"
    killed, living = start_writer(out), start_writer(out)
    try:
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        assert not out.exists()
        with atomic_folder(out) as folder:
            assert len(list(tmp_path.iterdir())) == 2  # of this writer and of the running one
            (folder / "whole").write_text("x")
        assert [p.name for p in out.iterdir()] == ["whole"]
    finally:
        living.terminate()
        for process in (killed, living):
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def test_two_writers_of_one_bundle_cannot_both_win(tmp_path: Path) -> None:
    out = tmp_path / "b"
    with pytest.raises(OutputExistsError, match="appeared"), atomic_folder(out) as slow:
        (slow / "slow").write_text("x")
        with atomic_folder(out) as fast:
            (fast / "fast").write_text("x")
    assert [p.name for p in out.iterdir()] == ["fast"]
