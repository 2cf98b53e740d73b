"""kill -9 during an export, before each change of files: no half repository, and the next export completes it."""

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from tagging.bundle.manifest import BUNDLE
from tagging.triton.repository import check_files, read_manifest

pytestmark = pytest.mark.slow

# Exports in forks, which are quick because graphs are written as their names: under `alone` into no repository, under
# `later` into that of the first bundle. For n = 1, 2, ...: an export into n/models is killed before its n-th change,
# what it left is copied to n/left, and another export runs to its end. The last n is that of an export that was not
# killed.
SCRIPT = """
import os, shutil, signal, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from tagging.bundle.manifest import BUNDLE
from tagging.progress import Silent
from tagging.triton import export

first, bundle, out = map(Path, sys.argv[1:])
encoders = {folder: export._encoders(BUNDLE.read(folder)) for folder in (first, bundle)}
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

def write(content, folder):
    for name in ("model.onnx", "model.py"):
        (folder / name).write_text(content.spec.name)

export.write_content = counted(write)
export.difference_of = lambda content, folder: 0.0
export.write_samples = counted(export.write_samples)
for name in ("rename", "replace", "mkdir"):
    setattr(Path, name, counted(getattr(Path, name)))
shutil.rmtree = counted(shutil.rmtree)

assert run(first, out / "before")
for case, exported in (("alone", first), ("later", bundle)):
    for n in range(1, 1000):
        place = out / case / str(n)
        os.makedirs(place)
        if case == "later":
            copytree(out / "before", place / "models")
        is_whole = run(exported, place / "models", kill_at=n)
        if (place / "models").exists():
            copytree(place / "models", place / "left")
        assert run(exported, place / "models")
        if is_whole:
            break
    print(n)
"""


@dataclass(frozen=True)
class Killed:
    """The folders 1 to `count` of a case."""

    folder: Path
    count: int


@pytest.fixture(scope="module")
def killed(bundles: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Killed]:
    out = tmp_path_factory.mktemp("killed")
    command: list[str | Path] = [sys.executable, "-c", SCRIPT, *bundles, out]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    counts = map(int, result.stdout.split())
    return {case: Killed(out / case, count) for case, count in zip(("alone", "later"), counts, strict=True)}


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


def test_a_killed_export_leaves_no_repository(killed: dict[str, Killed]) -> None:
    folder, count = killed["alone"].folder, killed["alone"].count
    assert count > 10
    for n in range(1, count):
        if (folder / f"{n}/left").exists():  # killed when it was complete
            assert_whole(folder / f"{n}/left")
        assert [path.name for path in (folder / str(n)).iterdir() if path.name != "left"] == ["models"]
        assert contents(folder / f"{n}/models") == contents(folder / f"{count}/models")
    assert not (folder / "1/left").exists()


def test_a_killed_export_leaves_the_repository_of_earlier_bundles(
    killed: dict[str, Killed], bundles: tuple[Path, Path]
) -> None:
    folder, count = killed["later"].folder, killed["later"].count
    assert count > 10
    versions = [BUNDLE.read(bundle).version for bundle in bundles]
    for n in range(1, count):
        assert_whole(folder / f"{n}/left")
        assert versions[0] in read_manifest(folder / f"{n}/left").bundles
        assert list(read_manifest(folder / f"{n}/models").bundles) == versions
        assert [path.name for path in (folder / str(n)).iterdir() if path.name.startswith(".")] == []
        assert contents(folder / f"{n}/models") == contents(folder / f"{count}/models")
    assert json.loads((folder / "1/left/manifest.json").read_text())["bundles"].keys() == {versions[0]}
