"""Indexes against exact search."""

import numpy as np
import pytest

from tagging.bench.indexes import against_exact, nearest_scores, share_found
from tagging.bench.timing import Spent
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


def test_the_nearest_scores_of_parts_are_those_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagging.bench.indexes.ROWS_AT_ONCE", 64)
    rng = np.random.default_rng(0)
    rows, queries = clustered(rng, 300), clustered(rng, 10)
    advanced: list[int] = []
    nearest = nearest_scores(rows, queries, 100, advanced.append)  # more than a part has
    np.testing.assert_allclose(nearest, -np.sort(-queries @ rows.T, axis=1)[:, :100], atol=1e-5)
    assert advanced == [64, 64, 64, 64, 44]


def test_exact_search_is_timed_on_a_part_and_counted_for_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tagging.bench.indexes.EXACT_ROWS", 100)
    monkeypatch.setattr(
        "tagging.bench.indexes.in_turn", lambda sides, repeats, advance: {side: [Spent(2.0, 1.0)] for side in sides}
    )
    rng = np.random.default_rng(0)
    rows, queries = clustered(rng, 250), clustered(rng, 4)
    truth = nearest_scores(rows, queries, 10, lambda _: None)
    found = against_exact(rows, queries, truth, IndexConfig(), 7, 1, lambda _: None)
    assert (found.spent, found.exact) == ([Spent(2.0, 1.0)], [Spent(5.0, 2.5)])
    assert found.recall_at(10) == 1.0


@pytest.mark.parametrize("backend", ["faiss", "hnsw"])
def test_recall_is_the_share_of_the_true_neighbours(backend: str) -> None:
    rng = np.random.default_rng(0)
    rows, queries = clustered(rng, 400), clustered(rng, 10)
    advanced: list[int] = []
    config = IndexConfig.model_validate({"backend": backend})
    truth = nearest_scores(rows, queries, 20, lambda _: None)
    found = against_exact(rows, queries, truth, config, 7, 4, advanced.append)
    assert found.backend == backend
    assert len(found.spent) == len(found.exact) == 4
    assert sum(advanced) == 8
    assert found.recall_at(20) == 1.0 if backend == "faiss" else found.recall_at(20) > 0.9
    assert found.percentile_ms(50) <= found.percentile_ms(99)


def test_a_wrong_row_lowers_the_recall() -> None:
    rng = np.random.default_rng(0)
    rows, queries = clustered(rng, 100), clustered(rng, 4)
    truth = nearest_scores(rows, queries, 10, lambda _: None)
    found = against_exact(rows, queries, truth, IndexConfig(), 7, 1, lambda _: None)
    found.scores[:, 5:] = -1.0
    assert found.recall_at(10) == 0.5
    assert found.recall_at(5) == 1.0
