from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recall.index.base import VectorIndex
from recall.index.factory import build_index, load_index
from tagging.config import IndexConfig
from tagging.errors import ArtifactMismatchError

Rows = NDArray[np.float32]
BACKENDS = ["flat", "faiss"]


def unit(rng: np.random.Generator, n: int, dim: int = 24) -> Rows:
    rows = rng.normal(size=(n, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@pytest.fixture(params=BACKENDS)
def config(request: pytest.FixtureRequest) -> IndexConfig:
    return IndexConfig(backend=request.param)


@pytest.fixture
def build(config: IndexConfig) -> Callable[[Rows], VectorIndex]:
    return lambda rows: build_index(rows, config)


def test_every_index_agrees_with_brute_force(build: Callable[[Rows], VectorIndex]) -> None:
    rng = np.random.default_rng(0)
    rows, queries = unit(rng, 500), unit(rng, 40)
    want = np.argsort(-queries @ rows.T, axis=1)[:, :10]
    index = build(rows)
    got = index.search(queries, k=10)
    overlap = np.mean([len(set(g) & set(w)) / 10 for g, w in zip(got.ids, want, strict=True)])
    assert overlap == 1.0 if index.is_exact else overlap >= 0.95
    true_scores = np.take_along_axis(queries @ rows.T, got.ids, axis=1)
    np.testing.assert_allclose(got.scores, true_scores, atol=1e-5)
    assert (np.diff(got.scores, axis=1) <= 0).all()


def test_fewer_rows_than_asked_are_padded(build: Callable[[Rows], VectorIndex]) -> None:
    rng = np.random.default_rng(1)
    got = build(unit(rng, 3)).search(unit(rng, 2), k=5)
    assert (got.ids[:, 3:] == -1).all()
    assert np.isneginf(got.scores[:, 3:]).all()
    assert (np.sort(got.ids[:, :3]) == [0, 1, 2]).all()


def test_an_empty_index_finds_nothing(build: Callable[[Rows], VectorIndex]) -> None:
    got = build(np.zeros((0, 4), np.float32)).search(np.ones((1, 4), np.float32), k=2)
    assert got.ids.tolist() == [[-1, -1]]


@pytest.mark.parametrize("queries", [np.zeros((2, 23), np.float32), np.full((1, 24), np.nan, np.float32)])
def test_queries_of_another_width_or_not_finite_are_refused(
    build: Callable[[Rows], VectorIndex], queries: Rows
) -> None:
    index = build(unit(np.random.default_rng(2), 5))
    with pytest.raises(ValueError, match=r"shape|finite"):
        index.search(queries, k=1)


def test_an_index_survives_the_disk(build: Callable[[Rows], VectorIndex], config: IndexConfig, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows, queries = unit(rng, 50), unit(rng, 5)
    index = build(rows)
    index.save(tmp_path)
    loaded = load_index(tmp_path, config, dim=24, count=50)
    np.testing.assert_array_equal(loaded.search(queries, 7).ids, index.search(queries, 7).ids)


@pytest.mark.parametrize(("dim", "count"), [(23, 50), (24, 49)])
def test_an_index_of_another_width_or_size_than_stated_is_refused(
    build: Callable[[Rows], VectorIndex], config: IndexConfig, tmp_path: Path, dim: int, count: int
) -> None:
    build(unit(np.random.default_rng(4), 50)).save(tmp_path)
    with pytest.raises(ArtifactMismatchError, match=f"{count} of {dim}"):
        load_index(tmp_path, config, dim=dim, count=count)
