"""Inner-product search by unit rows."""

import numpy as np
import pytest

from recall.index.products import unit_queries, unit_rows


def test_unit_rows_have_the_order_of_inner_products() -> None:
    rng = np.random.default_rng(0)
    rows = (rng.standard_normal((40, 5)) * rng.uniform(0.1, 3, (40, 1))).astype(np.float32)
    queries = rng.standard_normal((6, 5)).astype(np.float32)
    longest = float(np.linalg.norm(rows, axis=1).max())
    lifted, lifted_queries = unit_rows(rows, longest), unit_queries(queries)
    assert lifted.shape[1] == lifted_queries.shape[1] == 8
    np.testing.assert_allclose(np.linalg.norm(lifted, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(lifted_queries, axis=1), 1, atol=1e-5)
    lengths = np.linalg.norm(queries, axis=1, keepdims=True)
    np.testing.assert_allclose(lifted_queries @ lifted.T * longest * lengths, queries @ rows.T, atol=1e-4)


def test_a_row_longer_than_the_longest_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"a row of length 5\.000, expected at most 4\.000"):
        unit_rows(np.array([[3.0, 4.0]], np.float32), 4.0)
