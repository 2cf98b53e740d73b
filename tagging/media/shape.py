"""Shape of the pictures of a film: one size, upright, in the true aspect ratio and in ordinary colours."""

from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from tagging.media.orientation import orientation_of
from tagging.media.tone_map import is_hdr, to_sdr

OTHER_SHAPE = Fraction(1, 50)  # of the aspect ratio
SANE_SAMPLE_ASPECT = Fraction(16)  # a wider or narrower sample is a damaged header


class Shape:
    """Scales and turns every frame as the first frame of the video requires."""

    def __init__(self, first: VideoFrame, sample_aspect: Fraction | None, max_side_px: int) -> None:
        width, height = Fraction(first.width), Fraction(first.height)
        if sample_aspect and 1 / SANE_SAMPLE_ASPECT <= sample_aspect <= SANE_SAMPLE_ASPECT:
            # Shrink the longer edge of a sample: nothing is ever scaled up.
            width, height = (width * sample_aspect, height) if sample_aspect < 1 else (width, height / sample_aspect)
        scale = min(Fraction(1), max_side_px / max(width, height))
        self._width = max(1, round(width * scale))
        self._height = max(1, round(height * scale))
        self._aspect = Fraction(first.width, first.height)
        self._orientation = orientation_of(first)

    def fits(self, frame: VideoFrame) -> bool:
        """Return False for a frame of another shape, as when a phone is turned while it records."""
        return abs(Fraction(frame.width, frame.height) / self._aspect - 1) < OTHER_SHAPE

    def convert(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return the frame as (H, W, 3) RGB; the middle of a frame of another shape, in its true aspect ratio."""
        width, height = self._width, self._height
        if not self.fits(frame):
            ratio = Fraction(frame.width, frame.height) / self._aspect
            width, height = (round(width * ratio), height) if ratio > 1 else (width, round(height / ratio))
        left, top = (width - self._width) // 2, (height - self._height) // 2
        picture = _rgb(frame, width, height)[top : top + self._height, left : left + self._width]
        return self._orientation.apply(picture)


def _rgb(frame: VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
    if is_hdr(frame):
        return to_sdr(frame, width, height)
    has_alpha = frame.format.has_palette or any(component.is_alpha for component in frame.format.components)
    pixels = "rgba" if has_alpha else "rgb24"
    scaled = frame.reformat(width, height, pixels, interpolation=Interpolation.BICUBIC, threads=1)
    picture = np.asarray(scaled.to_ndarray(), np.uint8)
    return _on_white(picture) if has_alpha else picture


def _on_white(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (H, W, 4) RGBA as RGB on a white page: what lies under a transparent pixel is arbitrary."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    return (picture[..., :3] * alpha + 255 * (1 - alpha) + 0.5).astype(np.uint8)
