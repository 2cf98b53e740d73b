"""HDR pictures look like their ordinary twins."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tagging.config.media import MediaConfig
from tagging.media.decode import decode
from tagging.media.tone_map import HLG, PQ, hlg_to_nits, nits_to_pq, pq_to_nits

# Diffuse patches up to a mid grey, which a curve for highlights leaves as they are.
PATCHES = np.array([(60, 20, 20), (20, 70, 25), (25, 25, 80), (100, 100, 100), (110, 80, 40), (40, 90, 110)])
BT709_TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])


def test_pq_is_that_of_the_standard() -> None:
    # ITU-R BT.2408, table 1: 58 % is 203 cd/m2, 75 % is 983
    got = pq_to_nits(np.array([0.0, 0.58, 0.75, 1.0], np.float32))
    np.testing.assert_allclose(got, [0, 203, 983, 10000], rtol=0.02, atol=0.01)
    signal = np.linspace(0, 1, 50, dtype=np.float32)
    np.testing.assert_allclose(nits_to_pq(pq_to_nits(signal)), signal, atol=1e-3)


def test_hlg_is_that_of_the_standard() -> None:
    # 75 % is diffuse white, 203 cd/m2 on a display of 1000; 100 % is its peak
    grey = np.array([[0.0] * 3, [0.75] * 3, [1.0] * 3], np.float32)
    np.testing.assert_allclose(hlg_to_nits(grey)[:, 0], [0, 203, 1000], rtol=0.02, atol=0.01)


def coded(transfer: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The patches as non-linear BT.2020 RGB in [0, 1], by the inverse of what a display does."""
    nits = 203 * (PATCHES / 255) ** 2.2 @ BT709_TO_BT2020.T
    if transfer == PQ:
        return nits_to_pq(nits.astype(np.float32)).astype(np.float64)
    display = nits / 1000
    luminance = display @ np.array([0.2627, 0.6780, 0.0593])
    scene = display * luminance[:, None] ** (1 / 1.2 - 1)
    bright = 0.17883277 * np.log(12 * np.maximum(scene, 1 / 12) - 0.28466892) + 0.55991073
    return np.asarray(np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright), np.float64)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_an_hdr_film_is_decoded_to_ordinary_colours(tmp_path: Path, transfer: int) -> None:
    red, green, blue = coded(transfer).T
    y = 0.2627 * red + 0.6780 * green + 0.0593 * blue
    u, v = (blue - y) / (2 * (1 - 0.0593)), (red - y) / (2 * (1 - 0.2627))
    planes = np.stack([64 + 876 * y, 512 + 896 * u, 512 + 896 * v]).round().astype(np.uint16)  # limited range, 10 bits
    picture = np.repeat(np.repeat(planes[:, None, :], 64, axis=1), 32, axis=2)  # (3, 64, 192)
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx265", rate=5, options={"x265-params": "log-level=none:qp=4"})
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 192, 64, "yuv444p10le"
        video.codec_context.color_trc, video.codec_context.color_primaries = transfer, 9
        video.codec_context.colorspace, video.codec_context.color_range = 9, 1
        for number in range(3):
            frame = VideoFrame(192, 64, "yuv444p10le")
            for plane, values in zip(frame.planes, picture, strict=True):
                rows = np.zeros((64, plane.line_size // 2), np.uint16)
                rows[:, :192] = values
                plane.update(rows.tobytes())
            frame.pts, frame.time_base = number, Fraction(1, 5)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    frames = decode(path, MediaConfig(frames=1)).frames
    assert frames is not None
    got = frames.pixels[0][32, 16::32].astype(int)
    assert np.abs(got - PATCHES).max() <= 6, got


TWINS = [("hdr_pq.mp4", "hdr_none_sdr.mp4"), ("effects/bear_hdr10.mp4", "effects/bear.mp4")]


@pytest.mark.parametrize(("hdr", "sdr"), TWINS)
def test_an_hdr_clip_and_its_twin_are_nearly_the_same_picture(shared_data: Path, hdr: str, sdr: str) -> None:
    first, second = (decode(shared_data / "reports" / file, MediaConfig(frames=8)).frames for file in (hdr, sdr))
    assert first is not None
    assert second is not None
    assert np.abs(first.pixels.astype(int) - second.pixels).mean() < 25
