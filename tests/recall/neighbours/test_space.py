"""Space of neighbour search."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recall.neighbours.space import FEW, NeighbourSpace


def crowded(count: int, dim: int = 24) -> NDArray[np.float32]:
    """Return unit rows (count, dim) that have a direction in common: the mean cosine of two is about 0.8."""
    rows: NDArray[np.float64] = np.random.default_rng(0).standard_normal((count, dim))
    rows[:, 0] += 2 * np.sqrt(dim)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32)


def mean_cosine(rows: NDArray[np.float32]) -> float:
    count = len(rows)
    return float((np.sum(rows @ rows.T) - count) / (count * (count - 1)))


def test_unrelated_rows_are_orthogonal_whatever_they_have_in_common() -> None:
    rows = crowded(5000)
    moved = NeighbourSpace.around(rows).rows(rows)
    assert mean_cosine(rows) > 0.75
    assert abs(mean_cosine(moved)) < 0.02
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1, atol=1e-6)


def test_rows_are_moved_by_their_mean_and_scaled_to_length_one() -> None:
    rows = crowded(150)
    want = rows - rows.mean(axis=0) * 150 / (150 + FEW)
    np.testing.assert_allclose(
        NeighbourSpace.around(rows).rows(rows), want / np.linalg.norm(want, axis=1, keepdims=True), atol=1e-6
    )


def test_a_single_video_is_its_own_nearest() -> None:
    """With the whole mean taken away, nothing would be left of it."""
    row = crowded(1)
    np.testing.assert_allclose(NeighbourSpace.around(row).rows(row), row, atol=1e-6)
    assert not NeighbourSpace.around(row[:0]).centre.any()


def test_an_unmoved_space_leaves_rows_as_they_are() -> None:
    rows = crowded(5)
    np.testing.assert_allclose(NeighbourSpace.unmoved(24).rows(rows), rows, atol=1e-6)


def test_a_saved_space_moves_rows_as_before(tmp_path: Path) -> None:
    rows = crowded(60)
    space = NeighbourSpace.around(rows)
    space.save(tmp_path)
    np.testing.assert_array_equal(NeighbourSpace.load(tmp_path).rows(rows), space.rows(rows))


@pytest.mark.parametrize("centre", [np.ones(4), np.array([1.0, 0.0]), np.array([np.nan, 0.0]), np.zeros((2, 2))])
def test_a_centre_that_no_unit_rows_have_is_refused(centre: NDArray[np.float64], tmp_path: Path) -> None:
    np.save(tmp_path / "centre.npy", centre)
    with pytest.raises(ValueError, match="centre of shape"):
        NeighbourSpace.load(tmp_path)
