"""Indexes against exact search."""

import numpy as np
import pytest

from tagging.bench.indexes import against_exact, share_found
from tagging.config.recall import IndexConfig
from tests.support.embeddings import clustered


def test_the_share_found_is_relative_to_an_exact_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagging.bench.indexes.ROWS_AT_ONCE", 64)
    rng = np.random.default_rng(0)
    rows, queries = clustered(rng, 300), clustered(rng, 10)
    nearest = np.argsort(-queries @ rows.T, axis=1)[:, :8]
    assert share_found(rows, queries, nearest) == 1
    nearest[:, 4:] = np.argsort(queries @ rows.T, axis=1)[:, :4]
    assert share_found(rows, queries, nearest) == 0.5


@pytest.mark.parametrize("backend", ["faiss", "hnsw"])
def test_recall_is_the_share_of_the_true_neighbours(backend: str) -> None:
    rng = np.random.default_rng(0)
    rows, queries = clustered(rng, 400), clustered(rng, 10)
    advanced: list[int] = []
    config = IndexConfig.model_validate({"backend": backend})
    found = against_exact(rows, queries, 20, config, 7, 4, advanced.append)
    assert found.backend == backend
    assert len(found.spent) == len(found.exact) == 4
    assert sum(advanced) == 8
    np.testing.assert_allclose(found.truth, -np.sort(-queries @ rows.T, axis=1)[:, :20], atol=1e-5)
    assert found.recall_at(20) == 1.0 if backend == "faiss" else found.recall_at(20) > 0.9
    assert found.percentile_ms(50) <= found.percentile_ms(99)


def test_a_wrong_row_lowers_the_recall() -> None:
    rng = np.random.default_rng(0)
    found = against_exact(clustered(rng, 100), clustered(rng, 4), 10, IndexConfig(), 7, 1, lambda _: None)
    found.scores[:, 5:] = -1.0
    assert found.recall_at(10) == 0.5
    assert found.recall_at(5) == 1.0
