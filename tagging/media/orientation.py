"""Orientation of pictures: the eight ways in which a display matrix or an SEI message may turn and mirror them.

The matrix is that of ISO/IEC 14496-12, 8.5.2: (a b u; c d v; x y w) maps the point (p, q) of the decoded picture to
(a p + c q + x, b p + d q + y) of the shown one. Phones state quarter turns, front cameras mirror as well.
"""

from dataclasses import dataclass

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Orientation:
    """Swap the axes, then flip."""

    is_transposed: bool = False
    flips_x: bool = False
    flips_y: bool = False

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) as decoded -> as shown; (W, H, 3) if it is transposed."""
        shown = picture.swapaxes(0, 1) if self.is_transposed else picture
        shown = shown[:, ::-1] if self.flips_x else shown
        return np.ascontiguousarray(shown[::-1] if self.flips_y else shown)


def orientation_of(frame: VideoFrame) -> Orientation:
    """Return the orientation that is nearest to the frame's display matrix."""
    try:
        matrix = bytes(frame.side_data[Type.DISPLAYMATRIX])  # type: ignore[typeddict-item]  # the stub lacks it
    except KeyError:
        return Orientation()
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, a < 0, d < 0)
    return Orientation(True, c < 0, b < 0)
