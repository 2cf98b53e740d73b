"""Top-k selection."""

import numpy as np
import pytest

from recall.topk import kth_largest_at_least, top_k


def test_equal_scores_are_ordered_by_id_also_at_the_limit() -> None:
    scores = np.array([1.0, 2.0, 1.0, 3.0, 1.0])
    ids = np.array([9, 8, 7, 6, 5])
    assert ids[top_k(scores, ids, 3)].tolist() == [6, 8, 5]


@pytest.mark.parametrize("limit", [1, 10, 50, 51, 1000])
def test_top_k_is_a_prefix_of_the_complete_order(limit: int) -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 9, 50).astype(np.float32)
    ids = rng.permutation(50)
    np.testing.assert_array_equal(top_k(scores, ids, limit), np.lexsort((ids, -scores))[:limit])


def test_top_k_of_an_empty_array_is_empty() -> None:
    assert len(top_k(np.zeros(0), np.zeros(0, np.int64), 5)) == 0


@pytest.mark.parametrize("count", [1, 7, 300, 5000])
def test_the_bound_of_the_kth_largest_is_one_of_the_scores_and_near(count: int) -> None:
    scores = np.random.default_rng(count).permutation(count)
    for k in (1, 4, 100):
        bound = kth_largest_at_least(scores, k)
        if k > count:
            assert bound == -np.inf
        else:
            assert count - 1.5 * k - 1 <= bound <= count - k
