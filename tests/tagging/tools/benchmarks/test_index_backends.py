"""The index benchmark: recall of each backend against exact search."""

import json
from pathlib import Path

import pytest

from tests.support.tools import run_tools


def test_the_command_measures_each_backend_against_exact_search(
    tiny_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backends = ["--backend", "flat", "--backend", "hnsw"]
    run_tools(
        "benchmarks", "index-backends", str(tiny_bundle), "--rows", "600", *backends, "--k", "20", "--format", "json"
    )
    [(title, rows)] = json.loads(capsys.readouterr().out).items()
    assert title.startswith("600 rows, ")
    assert [row["backend"] for row in rows] == ["flat", "hnsw"]
    assert rows[0]["recall@10"] == rows[0]["recall@20"] == 1.0
    assert rows[1]["recall@10"] > 0.95


@pytest.mark.parametrize(("backend", "fault"), [("tree", "index backend tree: backend"), ("milvus", "need a uri")])
def test_a_backend_that_cannot_be_built_is_an_error(
    tiny_bundle: Path, backend: str, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_tools("benchmarks", "index-backends", str(tiny_bundle), "--rows", "600", "--backend", backend, code=1)
    assert fault in capsys.readouterr().err
