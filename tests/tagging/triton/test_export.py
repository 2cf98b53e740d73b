"""Export of bundles to a Triton model repository."""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from tagging.bundle.manifest import BUNDLE
from tagging.config.encoders import EncodersConfig, HashedTextConfig
from tagging.errors import (
    ArtifactCorruptError,
    ArtifactNotFoundError,
    InvalidConfigError,
    OutputExistsError,
    OutputUnwritableError,
)
from tagging.features.networks.contract import text_model
from tagging.progress import Silent
from tagging.triton import export
from tagging.triton.export import export_bundle
from tagging.triton.repository import ModelEntry, VersionEntry, read_manifest, read_samples, version_of
from tagging.triton.version_files import Content
from tests.support.cli import run
from tests.support.disks import filled, tiny_disk
from tests.tagging.triton.conftest import write_bundle

Pair = tuple[Path, Path]


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_bundles_share_the_networks_that_are_equal(repositories: Pair, bundles: Pair) -> None:
    first, both = (contents(repository) for repository in repositories)
    added = {name for name in both if first.get(name) != both[name]}
    assert added == {
        "manifest.json", "text/config.pbtxt", "text/configs/cpu.pbtxt",
        "text/2/model.onnx", "text/2/model.py", "text/2/samples.npz",
    }  # fmt: skip
    manifest, versions = read_manifest(repositories[1]), [BUNDLE.read(bundle).version for bundle in bundles]
    assert [manifest.bundles[version].models for version in versions] == [
        {"text": 1, "frames": 1, "audio": 1},
        {"text": 2, "frames": 1, "audio": 1},
    ]


def test_configurations_name_all_versions(repositories: Pair) -> None:
    for model, versions in (("text", [1, 2]), ("audio", [1])):
        for file in ("config.pbtxt", "configs/cpu.pbtxt"):
            text = (repositories[1] / model / file).read_text()
            config = text_format.Parse(text, model_config_pb2.ModelConfig())
            assert list(config.version_policy.specific.versions) == versions


def test_the_manifest_states_fingerprints_and_the_hash_of_every_file(repositories: Pair, bundles: Pair) -> None:
    repository = repositories[1]
    manifest = json.loads((repository / "manifest.json").read_text())
    for model, entry in manifest["models"].items():
        for version, each in entry["versions"].items():
            assert each["files"] == contents(repository / model / version)
            assert each["largest_difference"] <= 1e-4
    for bundle in map(BUNDLE.read, bundles):
        exported = manifest["bundles"][bundle.version]
        assert exported["encoders"] == {name: entry.fingerprint for name, entry in bundle.encoders.items()}
        for model, version in exported["models"].items():
            fingerprint = manifest["models"][model]["versions"][str(version)]["fingerprint"]
            assert fingerprint == bundle.encoders[model].fingerprint


def test_samples_are_inputs_of_the_contract_and_outputs_of_the_encoder(repositories: Pair) -> None:
    inputs, outputs = read_samples(repositories[0] / "text" / "1" / "samples.npz")
    assert (inputs["ids"].dtype, inputs["mask"].dtype) == (np.dtype(np.int32), np.dtype(np.bool_))
    np.testing.assert_allclose(np.linalg.norm(outputs["row"], axis=1), 1, atol=1e-5)
    inputs, _ = read_samples(repositories[0] / "frames" / "1" / "samples.npz")
    assert (inputs["pixels"].dtype, inputs["pixels"].shape[1:]) == (np.dtype(np.uint8), (112, 112, 3))


def test_an_export_of_the_same_bundle_writes_no_model(repositories: Pair, bundles: Pair, tmp_path: Path) -> None:
    repository = tmp_path / "models"
    shutil.copytree(repositories[1], repository)
    result = run("triton", "export", "--bundle", bundles[1], "--out", repository, "--format", "json")
    exported = [(each["model"], each["version"], each["state"]) for each in json.loads(result.stdout)["models"]]
    assert exported == [("text", 2, "shared"), ("frames", 1, "shared"), ("audio", 1, "shared")]
    assert contents(repository) == contents(repositories[1])


def test_a_damaged_version_stops_the_export_and_nothing_is_written(
    repositories: Pair, bundles: Pair, tmp_path: Path
) -> None:
    repository = tmp_path / "models"
    shutil.copytree(repositories[0], repository)
    (repository / "audio" / "1" / "model.onnx").write_bytes(b"")
    before = contents(tmp_path)
    with pytest.raises(ArtifactCorruptError, match=r"audio/1/model\.onnx was changed after the export"):
        export_bundle(bundles[0], repository, Silent())
    assert contents(tmp_path) == before


def test_configurations_that_were_removed_are_written_again(repositories: Pair, bundles: Pair, tmp_path: Path) -> None:
    repository = tmp_path / "models"
    shutil.copytree(repositories[1], repository)
    shutil.rmtree(repository / "text" / "configs")
    (repository / "audio" / "config.pbtxt").unlink()
    export_bundle(bundles[1], repository, Silent())
    assert contents(repository) == contents(repositories[1])


def test_an_export_that_was_overtaken_changes_nothing(
    repositories: Pair, bundles: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for before in (None, repositories[0]):
        repository = tmp_path / f"{before is None}"
        if before is not None:
            shutil.copytree(before, repository)

        def difference(content: object, folder: object, repository: Path = repository) -> float:
            shutil.copytree(repositories[1], repository, dirs_exist_ok=True)  # the other export ends
            return 0.0

        monkeypatch.setattr(export, "difference_of", difference)
        monkeypatch.setattr(export, "write_content", lambda content, folder: (folder / "model.onnx").touch())
        with pytest.raises(OutputExistsError, match="another export wrote") as raised:
            export_bundle(bundles[1], repository, Silent())
        assert raised.value.hint == "run the same command again"
        assert contents(repository) == contents(repositories[1])


def test_a_full_disk_leaves_what_was_there(
    repositories: Pair, bundles: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copied(content: Content, folder: Path) -> None:
        """Write what the export of the second bundle wrote: to trace a network once more takes seconds."""
        version = repositories[1] / content.spec.name / ("2" if content.spec.name == "text" else "1")
        for file in ("model.onnx", "model.py"):
            shutil.copyfile(version / file, folder / file)

    with tiny_disk(tmp_path / "disk", 64) as disk:
        shutil.copytree(repositories[0], disk / "old")
        before = contents(disk)
        with filled(disk):
            os.truncate(disk / "filler", (disk / "filler").stat().st_size - 2**17)  # room to begin
            for name in ("old", "new"):
                with pytest.raises(OutputUnwritableError, match=f"{name} cannot be written: No space left") as raised:
                    export_bundle(bundles[1], disk / name, Silent())
                assert "make room" in (raised.value.hint or "")
                monkeypatch.setattr(export, "write_content", copied)
        assert contents(disk) == before
        export_bundle(bundles[1], disk / "old", Silent())
        assert contents(disk / "old") == contents(repositories[1])


@pytest.mark.parametrize("where", ["file", "file/models", "/proc/models"])
def test_a_place_where_no_repository_can_be_is_refused_at_once(where: str, bundles: Pair, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("triton", "export", "--bundle", bundles[0], "--out", tmp_path / where)
    assert result.returncode == 1
    assert re.search(rf"{where}\b", result.stderr.replace("\n", ""))
    assert "choose another place" in result.stderr or "name a folder" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_of_something_else_is_refused(bundles: Pair, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ArtifactNotFoundError, match=r"no repository of an export: it has no manifest\.json"):
        export_bundle(bundles[0], tmp_path, Silent())
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_bundle_without_networks_is_refused(tiny_starter: Path, tmp_path: Path) -> None:
    write_bundle(tiny_starter, tmp_path / "bundle", EncodersConfig(text=HashedTextConfig(backend="hashed-ngrams")))
    with pytest.raises(InvalidConfigError, match="has no network that runs on Triton"):
        export_bundle(tmp_path / "bundle", tmp_path / "models", Silent())
    assert not (tmp_path / "models").exists()


def test_versions_of_a_model_have_the_same_tensors() -> None:
    version = VersionEntry(fingerprint="aa", opset=18, largest_difference=0, files={})
    entry = ModelEntry(spec=text_model(384), versions={3: version})
    assert version_of(entry, text_model(384), "aa") == 3
    assert version_of(entry, text_model(384), "bb") is None
    with pytest.raises(InvalidConfigError, match="text of this repository has other tensors"):
        version_of(entry, text_model(768), "aa")


def test_an_address_without_a_port_is_wrong_usage(tmp_path: Path) -> None:
    result = run("triton", "check", tmp_path, "somewhere")
    assert result.returncode == 2
    assert "'somewhere' is not HOST:PORT" in result.stderr
