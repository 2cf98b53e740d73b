"""Embeddings grown from real ones."""

import numpy as np

from tagging.bench.embeddings import grow
from tests.support.embeddings import clustered


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
