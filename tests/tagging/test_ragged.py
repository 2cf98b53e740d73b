import numpy as np
import pytest
from numpy.typing import NDArray

from tagging.ragged import WeightedRows


@pytest.mark.parametrize(
    "weights", [np.array([1, 3, 2, 2, 6]), np.array([0.1, 0.3, 0.5, 0.5, 1.5])], ids=["int", "float"]
)
def test_items_are_drawn_in_proportion_to_their_weights_within_the_row(
    weights: NDArray[np.integer | np.floating],
) -> None:
    rows = WeightedRows(np.array([0, 2, 2, 5]), np.array([7, 8, 7, 9, 4]), weights)
    np.testing.assert_allclose(rows.totals, [weights[:2].sum(), 0, weights[2:].sum()])
    drawn = rows.draw(np.repeat([0, 2], 20_000), np.random.default_rng(0))
    first, last = (np.bincount(half, minlength=10) / 20_000 for half in np.split(drawn, 2))
    np.testing.assert_allclose(first[[7, 8]], [0.25, 0.75], atol=0.02)
    np.testing.assert_allclose(last[[7, 9, 4]], [0.2, 0.2, 0.6], atol=0.02)


def test_empty_rows_give_no_item_and_leave_other_draws_unchanged() -> None:
    rows = WeightedRows(np.array([0, 2, 2, 5]), np.arange(5), np.ones(5))
    drawn = rows.draw(np.array([2, 1, -1, 0]), np.random.default_rng(1))
    assert drawn[1:3].tolist() == [-1, -1]
    alone = rows.draw(np.array([2, 2, 2, 0]), np.random.default_rng(1))
    assert (drawn[0], drawn[3]) == (alone[0], alone[3])


def test_drawing_from_rows_without_items_is_valid() -> None:
    rows = WeightedRows(np.zeros(4, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert rows.draw(np.array([0, 2]), np.random.default_rng(0)).tolist() == [-1, -1]
