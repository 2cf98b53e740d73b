"""Removal of the Milvus collections that no bundle uses, through the command."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from recall.index.factory import build_index
from tagging.cli.main import app
from tagging.config.recall import IndexConfig
from tests.support.cli import error_lines, run
from tests.support.embeddings import clustered

pytestmark = pytest.mark.milvus
pymilvus = pytest.importorskip("pymilvus", reason='pip install "videotag[milvus]" to test the backend milvus')
pytest.importorskip("milvus_lite", reason='pip install "videotag[milvus]" to test the backend milvus')


def test_collections_of_kept_bundles_stay_and_others_are_removed_only_when_confirmed(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    config = IndexConfig(backend="milvus", uri=str(tmp_path / "rows.db"))
    bundle = tmp_path / "kept"
    shutil.copytree(tiny_bundle, bundle)
    build_index(clustered(np.random.default_rng(0), 10), config).save(bundle / "channels" / "text")
    build_index(clustered(np.random.default_rng(1), 10), config)  # of a bundle that is gone
    kept = json.loads((bundle / "channels" / "text" / "milvus.json").read_text())["collection"]

    def drop(*options: str) -> list[str]:
        command = ["bundles", "drop-collections", "--uri", str(config.uri), "--keep", str(bundle), "--format", "json"]
        result = CliRunner().invoke(app, [*command, *options], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return list(json.loads(result.stdout)["collections"])

    [unused] = drop()
    assert unused != kept
    assert drop() == [unused]  # the first call only listed it
    assert drop("--yes") == [unused]
    assert drop() == []
    client = pymilvus.MilvusClient(uri=config.uri)
    assert client.list_collections() == [kept]
    client.close()


def test_a_milvus_that_does_not_exist_is_refused_and_not_created(tiny_bundle: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing.db"
    lines = error_lines(run("bundles", "drop-collections", "--uri", missing, "--keep", tiny_bundle))
    assert lines[0] == f"error: there is no Milvus at {missing}"
    assert not missing.exists()
