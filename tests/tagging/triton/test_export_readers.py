"""Export of the networks of readers."""

import hashlib
import shutil
from pathlib import Path

import pytest

pytest.importorskip("rapidocr", reason="pip install 'videotag[ocr]' to test the screen reader")
pytest.importorskip("faster_whisper", reason="pip install 'videotag[speech]' to test the speech reader")

from tagging.bundle.manifest import BUNDLE
from tagging.features import factory
from tagging.features.reader_weights import whisper_files
from tagging.progress import Silent
from tagging.triton.export import export_bundle
from tagging.triton.prune import prune
from tagging.triton.repository import check_files, read_manifest, read_samples
from tests.tagging.triton.conftest import READERS

pytestmark = [pytest.mark.ocr, pytest.mark.speech]


def test_every_network_of_the_readers_is_a_model(exported_readers: Path) -> None:
    repository = exported_readers / "models"
    manifest = read_manifest(repository)
    [bundle] = manifest.bundles.values()
    assert bundle.models == {"screen_detect": 1, "screen_read": 1, "speech": 1}
    for name, entry in manifest.models.items():
        check_files(repository, name, 1, entry.versions[1])
        assert entry.versions[1].largest_difference <= 1e-4
        assert {"model.py", "samples.npz"} < entry.versions[1].files.keys()
    assert {name: entry.versions[1].opset for name, entry in manifest.models.items()} == {
        "screen_detect": 11, "screen_read": 11, "speech": None,
    }  # fmt: skip


def test_a_version_of_speech_holds_the_whole_files_of_whisper(exported_readers: Path) -> None:
    assert READERS.speech is not None
    folder = exported_readers / "models" / "speech" / "1"
    for name, parts in whisper_files(READERS.speech).items():
        if name == "tokenizer.json":  # the caller's part
            assert not (folder / name).exists()
            continue
        want = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == want
    inputs, outputs = read_samples(folder / "samples.npz")
    assert inputs["length"].tolist() == [[8], [0]]
    assert (outputs["tokens"] >= 0).any(axis=1).tolist() == [True, False]
    assert outputs["languages"].sum(axis=1) == pytest.approx([0.0, 1.0], abs=1e-4)


def test_a_second_export_shares_the_models_and_pruning_keeps_them(exported_readers: Path, tmp_path: Path) -> None:
    repository = tmp_path / "models"
    shutil.copytree(exported_readers / "models", repository)
    exported = export_bundle(exported_readers / "bundle", repository, Silent())
    assert [(model.model, model.state) for model in exported] == [
        ("screen_detect", "shared"), ("screen_read", "shared"), ("speech", "shared"),
    ]  # fmt: skip
    (repository / "speech" / "config.pbtxt").unlink()
    assert all(not model.removed for model in prune(repository, 1))
    for file in ("speech/config.pbtxt", "speech/configs/cpu.pbtxt", "screen_read/config.pbtxt"):
        assert (repository / file).read_bytes() == (exported_readers / "models" / file).read_bytes()


def test_a_reader_without_its_packages_is_left_out_with_a_warning(
    exported_readers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(factory, "missing_readers", lambda config: {"speech": "pip install 'videotag[speech]'"})
    exported = export_bundle(exported_readers / "bundle", tmp_path / "models", Silent())
    assert [model.model for model in exported] == ["screen_detect", "screen_read"]
    assert "what reads speech is not exported: pip install 'videotag[speech]'" in caplog.text
    assert BUNDLE.read(exported_readers / "bundle").version in read_manifest(tmp_path / "models").bundles


def test_a_second_export_without_the_packages_of_a_reader_keeps_its_model(
    exported_readers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "models"
    shutil.copytree(exported_readers / "models", repository)
    monkeypatch.setattr(factory, "missing_readers", lambda config: {"speech": "pip install 'videotag[speech]'"})
    export_bundle(exported_readers / "bundle", repository, Silent())
    [bundle] = read_manifest(repository).bundles.values()
    assert bundle.models == {"screen_detect": 1, "screen_read": 1, "speech": 1}
    assert all(not model.removed for model in prune(repository, 1))
