"""Pictures are shown as a player shows them: all eight orientations of a display matrix."""

import struct
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tagging.config.media import MediaConfig
from tagging.media.decode import decode
from tests.support.media_files import Film, make, quadrants

MATRICES = [
    (1, 0, 0, 1),
    (-1, 0, 0, 1),
    (1, 0, 0, -1),
    (-1, 0, 0, -1),
    (0, 1, 1, 0),
    (0, 1, -1, 0),
    (0, -1, 1, 0),
    (0, -1, -1, 0),
]


def shown(picture: NDArray[np.uint8], matrix: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Map every pixel by the matrix, one by one (ISO/IEC 14496-12, 8.5.2)."""
    a, b, c, d = matrix
    height, width = picture.shape[:2]
    to = [(a * p + c * q, b * p + d * q) for q in range(height) for p in range(width)]
    left, top = min(x for x, _ in to), min(y for _, y in to)
    size = (max(y for _, y in to) - top + 1, max(x for x, _ in to) - left + 1, 3)
    result = np.zeros(size, np.uint8)
    for (x, y), pixel in zip(to, picture.reshape(-1, 3), strict=True):
        result[y - top, x - left] = pixel
    return result


@pytest.mark.parametrize("matrix", MATRICES, ids=str)
def test_a_display_matrix_turns_and_mirrors(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    path = make(tmp_path / "film.mp4", Film(frames=3, paint=quadrants, options={"qp": "10"}))
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44  # of the matrix in a track header of version 0
    a, b, c, d = (entry << 16 for entry in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    sample = decode(path, MediaConfig(frames=2))
    assert sample.frames is not None
    want = shown(quadrants(0), matrix)
    assert sample.frames.pixels.shape[1:] == want.shape
    assert np.abs(sample.frames.pixels[0].astype(int) - want).mean() < 12


@pytest.mark.parametrize("name", ["bear_mirror_horizontal.mp4", "bear_cover_unmarked.mkv"])
def test_the_same_film_stored_otherwise_gives_the_same_pictures(shared_data: Path, name: str) -> None:
    effects = shared_data / "reports" / "effects"
    plain, other = (decode(effects / file, MediaConfig(frames=8)).frames for file in ("bear.mp4", name))
    assert plain is not None
    assert other is not None
    assert np.abs(plain.pixels.astype(int) - other.pixels).mean() < 6
