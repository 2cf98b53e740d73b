"""kill -9 during an export, before each change of files: no half repository, and the next export completes it."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from tagging.bundle.files import read_manifest as read_bundle_manifest
from tagging.triton.repository import check_files, read_manifest

pytestmark = pytest.mark.slow

# Exports in forks, which are quick because graphs are written as their names. For n = 1, 2, ...: an export into
# n/models is killed before its n-th change, what it left is copied to n/left, and another export runs to its end. The
# last n is that of an export that was not killed.
SCRIPT = """
import os, shutil, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tagging.bundle.files import read_manifest
from tagging.progress import Silent
from tagging.triton import export

first, bundle, out = map(Path, sys.argv[1:])
encoders = {folder: export._encoders(read_manifest(folder)) for folder in (first, bundle)}
graphs = {folder: list(export.encoder_graphs(each)) for folder, each in encoders.items()}
export.check_packages()  # imports what every fork would import
copytree = shutil.copytree
changes = last = 0

def counted(function):
    def change(*args, **kwargs):
        global changes
        changes += 1
        if changes == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return change

def run(bundle, repository, kill_at=0):
    global changes, last
    child = os.fork()
    if not child:
        changes, last = 0, kill_at
        export._encoders = lambda manifest: encoders[bundle]
        export.encoder_graphs = lambda _: graphs[bundle]
        export.export_bundle(bundle, repository, Silent())
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0

export.write_graph = counted(lambda graph, path: path.write_text(graph.spec.name))
export.difference_of = lambda graph, path: 0.0
export.write_samples = counted(export.write_samples)
for name in ("rename", "replace", "mkdir"):
    setattr(Path, name, counted(getattr(Path, name)))
shutil.rmtree = counted(shutil.rmtree)

if first != bundle:
    assert run(first, out / "before")
for n in range(1, 1000):
    place = out / str(n)
    place.mkdir()
    if first != bundle:
        copytree(out / "before", place / "models")
    is_whole = run(bundle, place / "models", kill_at=n)
    if (place / "models").exists():
        copytree(place / "models", place / "left")
    assert run(bundle, place / "models")
    if is_whole:
        break
print(n)
"""


def exported(first: Path, bundle: Path, out: Path) -> int:
    command: list[str | Path] = [sys.executable, "-c", SCRIPT, first, bundle, out]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return int(result.stdout)


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name != "manifest.json"
    }


def assert_whole(repository: Path) -> None:
    """Assert that every version that the manifest or a configuration names is complete."""
    manifest = read_manifest(repository)
    for model, entry in manifest.models.items():
        for version, files in entry.versions.items():
            check_files(repository, model, version, files)
        for file in ("config.pbtxt", "configs/cpu.pbtxt"):
            text = (repository / model / file).read_text()
            config = text_format.Parse(text, model_config_pb2.ModelConfig())
            named = set(config.version_policy.specific.versions)
            assert named >= entry.versions.keys()
            for version in named:
                folder = repository / model / str(version)
                assert {path.name for path in folder.iterdir()} == {"model.onnx", "model.py", "samples.npz"}
    for bundle in manifest.bundles.values():
        assert all(version in manifest.models[model].versions for model, version in bundle.models.items())


def test_a_killed_export_leaves_no_repository(bundles: tuple[Path, Path], tmp_path: Path) -> None:
    count = exported(bundles[0], bundles[0], tmp_path)
    assert count > 10
    for n in range(1, count):
        if (tmp_path / f"{n}/left").exists():  # killed when it was complete
            assert_whole(tmp_path / f"{n}/left")
        assert [path.name for path in (tmp_path / str(n)).iterdir() if path.name != "left"] == ["models"]
        assert contents(tmp_path / f"{n}/models") == contents(tmp_path / f"{count}/models")
    assert not (tmp_path / "1/left").exists()


def test_a_killed_export_leaves_the_repository_of_earlier_bundles(bundles: tuple[Path, Path], tmp_path: Path) -> None:
    count = exported(*bundles, tmp_path)
    assert count > 10
    versions = [read_bundle_manifest(bundle).version for bundle in bundles]
    for n in range(1, count):
        assert_whole(tmp_path / f"{n}/left")
        assert versions[0] in read_manifest(tmp_path / f"{n}/left").bundles
        assert list(read_manifest(tmp_path / f"{n}/models").bundles) == versions
        assert [path.name for path in (tmp_path / str(n)).iterdir() if path.name.startswith(".")] == []
        assert contents(tmp_path / f"{n}/models") == contents(tmp_path / f"{count}/models")
    assert json.loads((tmp_path / "1/left/manifest.json").read_text())["bundles"].keys() == {versions[0]}
