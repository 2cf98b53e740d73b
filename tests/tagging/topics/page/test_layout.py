from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from tagging.topics.page.layout import GAP, LEAST_RADIUS, place_circles, principal_plane, separate
from tagging.types import FloatRows


def clusters(count: int, seed: int = 1) -> FloatRows:
    """Return centres around four directions, one after the other."""
    generator = np.random.default_rng(seed)
    return (np.eye(6)[np.arange(count) % 4] + 0.1 * generator.standard_normal((count, 6))).astype(np.float32)


def overlaps(circles: NDArray[np.float64]) -> float:
    """Return the largest overlap of two circles; negative if all are apart."""
    return max(
        float(a[2] + b[2] - np.hypot(*(a[:2] - b[:2]))) for a, b in combinations(np.asarray(circles, np.float64), 2)
    )


@pytest.mark.parametrize("count", [2, 3, 40, 200])
def test_circles_do_not_overlap_and_fit_into_the_unit_square(count: int) -> None:
    sizes = np.random.default_rng(2).integers(1, 500, count)
    circles = place_circles(clusters(count), sizes)
    assert overlaps(circles) <= 1e-9
    assert (circles[:, :2] - circles[:, 2:]).min() >= -1e-9
    assert (circles[:, :2] + circles[:, 2:]).max() <= 1 + 1e-9


def test_the_area_of_a_circle_is_as_its_size_above_the_least() -> None:
    circles = place_circles(clusters(4), np.array([400, 100, 25, 0]))
    radii = circles[:, 2] / circles[0, 2]
    assert radii.tolist() == pytest.approx([1, 0.5, 0.25, LEAST_RADIUS])


def test_near_centres_are_near_on_the_map() -> None:
    circles = place_circles(clusters(40), np.full(40, 10))
    distances = np.hypot(*(circles[:, None, :2] - circles[None, :, :2]).transpose(2, 0, 1))
    same = (np.arange(40)[:, None] - np.arange(40)) % 4 == 0
    assert distances[same & ~np.eye(40, dtype=bool)].mean() < 0.5 * distances[~same].mean()


def test_the_plane_is_that_of_the_largest_variance() -> None:
    rows = clusters(30).astype(np.float64)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(np.cov(unit.T))
    expected = (unit - unit.mean(axis=0)) @ vectors[:, ::-1][:, :2]
    found = principal_plane(rows.astype(np.float32))
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-5)
    assert (found[np.abs(found).argmax(axis=0), [0, 1]] > 0).all()


@pytest.mark.parametrize("centres", [np.zeros((0, 4)), np.ones((1, 4)), np.zeros((3, 4)), np.ones((5, 4))])
def test_few_or_equal_centres_have_places(centres: NDArray[np.float64]) -> None:
    circles = place_circles(centres.astype(np.float32), np.arange(len(centres)))
    assert circles.shape == (len(centres), 3)
    assert np.isfinite(circles).all()
    if len(circles) > 1:
        assert overlaps(circles) <= 1e-9
        assert np.ptp(circles[:, :2], axis=0).min() > 0.05  # not in one line


def test_circles_that_are_apart_stay_where_they_are() -> None:
    points = np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 5.0]])
    np.testing.assert_array_equal(separate(points, np.ones(3)), points)


def test_two_circles_are_pushed_apart_equally() -> None:
    found = separate(np.array([[0.0, 0.0], [1.0, 0.0]]), np.ones(2))
    distance = 2 + GAP
    np.testing.assert_allclose(found, [[0.5 - distance / 2, 0], [0.5 + distance / 2, 0]], atol=GAP / 10)
