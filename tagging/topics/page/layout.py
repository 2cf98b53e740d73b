"""Layout of a map of topics: near centres are near in the plane, and circles do not overlap.

Classical multidimensional scaling of the cosine distances (Torgerson 1952), which is PCA of the unit centres; then
overlapping circles are pushed apart.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from tagging.types import FloatRows

FILLED = 0.4  # share of the plane that circles cover
LEAST_RADIUS = 0.15  # of the largest circle's, so that small topics can be hit
GAP = 0.08  # between circles, of the mean radius
STEPS = 500
GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


def place_circles(centres: FloatRows, sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (K, 3) x, y and radius of each circle within the unit square; the area of a circle is as its size.

    centres: (K, W); sizes: (K,) videos
    """
    if not len(centres):
        return np.zeros((0, 3))
    points = principal_plane(centres)
    extent = np.ptp(points, axis=0).max() or 1.0
    roots = np.sqrt(np.maximum(sizes, 0).astype(np.float64))
    radii = np.maximum(roots, LEAST_RADIUS * roots.max()) if roots.max() else np.ones(len(roots))
    radii *= np.sqrt(FILLED / (np.pi * (radii**2).sum()))
    points = separate(points / extent, radii)
    low, high = (points - radii[:, None]).min(axis=0), (points + radii[:, None]).max(axis=0)
    side = (high - low).max()
    centred = (points - (low + high) / 2) / side + 0.5
    return np.column_stack([centred, radii / side])


def principal_plane(centres: FloatRows) -> NDArray[np.float64]:
    """Return (K, 2) the first two principal components of the unit centres, with signs that do not vary."""
    rows = centres.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    left, values, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    plane = np.zeros((len(rows), 2))
    found = (left * values)[:, :2]
    largest = found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])]
    plane[:, : found.shape[1]] = found * np.where(largest < 0, -1.0, 1.0)
    return plane


def separate(points: NDArray[np.float64], radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points (K, 2) moved apart until circles with these radii (K,) do not overlap, or STEPS are done."""
    points, gap = points.copy(), GAP * radii.mean()
    for _ in range(STEPS):
        pairs = KDTree(points).query_pairs(2 * radii.max() + gap, output_type="ndarray")
        first, second = pairs[:, 0], pairs[:, 1]
        between = points[second] - points[first]
        distances = np.linalg.norm(between, axis=1)
        overlaps = radii[first] + radii[second] + gap - distances
        close = overlaps > gap / 10
        if not close.any():
            break
        angles = GOLDEN_ANGLE * second[close]  # coincident centres have no direction of their own
        directions = np.column_stack([np.cos(angles), np.sin(angles)])
        apart = distances[close] > 0
        directions[apart] = between[close][apart] / distances[close][apart, None]
        push = directions * overlaps[close, None] / 2
        np.add.at(points, first[close], -push)
        np.add.at(points, second[close], push)
    return points
