"""The index benchmark: recall of each backend against exact search."""

from pathlib import Path

import numpy as np
import pytest

from tests.support.embeddings import clustered
from tests.support.tools import run_tools


def test_the_command_prints_each_backend_against_exact_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "embeddings.npy"
    np.save(path, clustered(np.random.default_rng(0), 400))
    run_tools(
        "benchmarks",
        "index-backends",
        str(path),
        "--rows",
        "600",
        "--dim",
        "32",
        "--backend",
        "flat",
        "--backend",
        "hnsw",
        "--k",
        "20",
    )
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in table] == ["backend", "---", "faiss", "flat", "hnsw"]
    assert table[0][-1] == "recall@20"
    assert [line[-2:] for line in table[2:4]] == [["1.000", "1.000"]] * 2
    assert float(table[4][-2]) > 0.95


def test_embeddings_of_another_width_are_rejected(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "embeddings.npy"
    np.save(path, clustered(np.random.default_rng(0), 400))
    run_tools("benchmarks", "index-backends", str(path), "--rows", "600", "--dim", "33", "--backend", "hnsw", code=1)
    assert "expected (20 or more, 33)" in capsys.readouterr().err
