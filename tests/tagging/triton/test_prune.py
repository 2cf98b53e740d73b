"""Removal of old bundles from a model repository."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from tagging.bundle.manifest import BUNDLE
from tagging.errors import ArtifactNotFoundError, OutputExistsError, OutputUnwritableError
from tagging.progress import Silent
from tagging.triton import export
from tagging.triton.export import export_bundle
from tagging.triton.prune import PrunedModel, prune
from tagging.triton.repository import check_files, read_manifest
from tests.support.cli import run

Pair = tuple[Path, Path]


class Killed(BaseException):
    """Stands for the end of the process: nothing handles it."""


@pytest.fixture
def repository(repositories: Pair, tmp_path: Path) -> Path:
    """A repository of two bundles, which share all but the text encoder."""
    return Path(shutil.copytree(repositories[1], tmp_path / "models"))


def assert_whole(repository: Path) -> None:
    """Assert that what the manifest and the configurations name is complete, and that the manifest needs no more."""
    manifest = read_manifest(repository)
    for bundle in manifest.bundles.values():
        assert all(version in manifest.models[model].versions for model, version in bundle.models.items())
    for model, entry in manifest.models.items():
        for version, files in entry.versions.items():
            check_files(repository, model, version, files)
        for version in configured(repository, model):
            folder = repository / model / str(version)
            assert {path.name for path in folder.iterdir()} == {"model.onnx", "model.py", "samples.npz"}


def configured(repository: Path, model: str) -> set[int]:
    named = set[int]()
    for file in ("config.pbtxt", "configs/cpu.pbtxt"):
        config: Any = text_format.Parse((repository / model / file).read_text(), model_config_pb2.ModelConfig())
        named |= set(config.version_policy.specific.versions)
    return named


def folders(repository: Path, model: str) -> list[str]:
    return sorted(path.name for path in (repository / model).iterdir() if path.name.isdigit())


def test_only_versions_that_no_kept_bundle_needs_are_removed(repository: Path, bundles: Pair) -> None:
    assert prune(repository, keep=1) == [
        PrunedModel("text", (1,), (2,)), PrunedModel("frames", (), (1,)), PrunedModel("audio", (), (1,)),
    ]  # fmt: skip
    assert list(read_manifest(repository).bundles) == [BUNDLE.read(bundles[1]).version]
    assert (folders(repository, "text"), configured(repository, "text")) == (["2"], {2})
    assert_whole(repository)
    assert [model.removed for model in prune(repository, keep=1)] == [(), (), ()]


def test_nothing_is_removed_from_a_repository_with_fewer_bundles(repository: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in repository.rglob("*")}
    assert all(not model.removed for model in prune(repository, keep=2))
    assert {path: path.stat().st_mtime_ns for path in repository.rglob("*")} == before


def test_the_bundle_that_was_exported_again_counts_as_the_latest(repository: Path, bundles: Pair) -> None:
    export_bundle(bundles[0], repository, Silent())
    prune(repository, keep=1)
    assert list(read_manifest(repository).bundles) == [BUNDLE.read(bundles[0]).version]
    assert_whole(repository)
    # Version 2 is needed by no bundle and stays, or the next network would get its number.
    assert folders(repository, "text") == ["1", "2"]
    assert [(model.model, model.state) for model in export_bundle(bundles[1], repository, Silent())] == [
        ("text", "shared"), ("frames", "shared"), ("audio", "shared"),
    ]  # fmt: skip


def test_after_a_kill_before_any_change_the_repository_is_whole_and_the_next_call_completes_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    replace, rmtree, left = Path.replace, shutil.rmtree, 0

    def change(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    def counted_replace(path: Path, target: Path) -> Path:
        change()
        return replace(path, target)

    def counted_rmtree(folder: Path) -> None:
        next(folder.iterdir()).unlink()  # a kill in the middle
        change()
        rmtree(folder)

    for count in range(100):
        copy, left = Path(shutil.copytree(repository, tmp_path / str(count))), count
        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", counted_replace)
            patched.setattr(shutil, "rmtree", counted_rmtree)
            try:
                prune(copy, keep=1)
            except Killed:
                assert_whole(copy)
            else:
                break
        prune(copy, keep=1)
        assert_whole(copy)
        assert (folders(copy, "text"), configured(copy, "text")) == (["2"], {2})
    assert count == 4  # manifest, two configurations, a version


def test_an_export_that_began_before_is_refused(
    repository: Path, bundles: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = export._write_configs

    def prune_meanwhile(*arguments: Any) -> None:
        write(*arguments)
        prune(repository, keep=1)

    monkeypatch.setattr(export, "_write_configs", prune_meanwhile)
    with pytest.raises(OutputExistsError, match="meanwhile"):
        export_bundle(bundles[0], repository, Silent())
    assert_whole(repository)


def test_a_configuration_that_was_changed_by_hand_stays(repository: Path) -> None:
    file = repository / "audio" / "config.pbtxt"
    file.write_text(file.read_text() + "# two instances\n")
    prune(repository, keep=1)
    assert file.read_text().endswith("# two instances\n")


def test_refusals_are_one_error_each(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArtifactNotFoundError, match="no repository of an export"):
        prune(tmp_path, keep=1)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(OutputUnwritableError, match="Permission denied"):
        prune(repository, keep=1)
    assert_whole(repository)


def test_the_command_lists_what_it_removed(repository: Path) -> None:
    assert run("triton", "prune", repository, "--keep", 0).returncode == 2
    result = run("triton", "prune", repository, "--keep", 1, "--format", "json")
    assert json.loads(result.stdout)["models"][0] == {"model": "text", "removed": [1], "kept": [2]}
