"""The index benchmark: grown embeddings, and recall against exact search."""

from pathlib import Path

import numpy as np
import pytest

from tagging.tools.benchmarks.index_backends import grow, share_found
from tests.support.embeddings import clustered
from tests.support.tools import run_tools


def test_grown_rows_are_the_real_rows_and_unit_rows_close_to_two_of_them() -> None:
    real = clustered(np.random.default_rng(0), 300)
    rows = grow(real, 1_000, np.random.default_rng(1))
    np.testing.assert_array_equal(rows[:300], real)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    nearest = np.sort(rows[300:] @ real.T, axis=1)
    by_chance = np.sort(clustered(np.random.default_rng(2), 700) @ real.T, axis=1)
    assert (nearest[:, -2] > 0.6).mean() > 0.9
    assert (by_chance[:, -2] > 0.6).mean() < 0.5
    np.testing.assert_array_equal(rows, grow(real, 1_000, np.random.default_rng(1)))


def test_growing_to_fewer_rows_truncates() -> None:
    real = clustered(np.random.default_rng(0), 50)
    np.testing.assert_array_equal(grow(real, 20, np.random.default_rng(1)), real[:20])


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


def test_the_share_found_is_relative_to_an_exact_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagging.tools.benchmarks.index_backends.ROWS_AT_ONCE", 64)
    rng = np.random.default_rng(0)
    rows, queries = clustered(rng, 300), clustered(rng, 10)
    nearest = np.argsort(-queries @ rows.T, axis=1)[:, :8]
    assert share_found(rows, queries, nearest) == 1
    nearest[:, 4:] = np.argsort(queries @ rows.T, axis=1)[:, :4]
    assert share_found(rows, queries, nearest) == 0.5
