"""Rendering of a composite clip: a crop that moves over a picture, and a sound repeated until the clip ends."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tagging.files.atomic import atomic_file
from tagging.types import SAMPLE_RATE_HZ

WIDTH, HEIGHT, FPS = 160, 120, 12
SCALE = 1.25  # size of the picture that the crop moves over, relative to the clip


def moving_crop(picture: NDArray[np.uint8], frames: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return (frames, HEIGHT, WIDTH, 3) crops of an (H, W, 3) RGB picture, moving evenly between random positions."""
    height, width = picture.shape[:2]
    scale = SCALE * max(WIDTH / width, HEIGHT / height)
    size = round(width * scale), round(height * scale)
    large = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))
    room = np.array([large.shape[0] - HEIGHT, large.shape[1] - WIDTH])
    start, end = rng.uniform(0, 1, (2, 2)) * room
    corners = np.rint(np.linspace(start, end, frames)).astype(int)
    return np.stack([large[top : top + HEIGHT, left : left + WIDTH] for top, left in corners])


def repeated(samples: NDArray[np.float32], seconds: float) -> NDArray[np.float32]:
    """Return the sound repeated and cut to the length."""
    length = round(seconds * SAMPLE_RATE_HZ)
    return np.tile(samples, -(-length // max(len(samples), 1)))[:length]


def write_clip(path: Path, frames: NDArray[np.uint8], samples: NDArray[np.float32]) -> None:
    """Write an MP4 of H.264 (MPEG-4 if PyAV has no H.264 encoder) and AAC, atomically."""
    with atomic_file(path) as partial, av.open(str(partial), "w", format="mp4") as container:
        if "libx264" in av.codecs_available:
            video = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "crf": "23"})
        else:
            video = container.add_stream("mpeg4", rate=FPS)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.thread_count = 1  # else the bytes depend on the number of cores
        audio = container.add_stream("aac", rate=SAMPLE_RATE_HZ)
        audio.layout = "mono"
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            container.mux(video.encode(frame))
        chunk = av.AudioFrame.from_ndarray(np.clip(samples, -1, 1)[None], format="fltp", layout="mono")
        chunk.sample_rate, chunk.pts, chunk.time_base = SAMPLE_RATE_HZ, 0, Fraction(1, SAMPLE_RATE_HZ)
        container.mux(audio.encode(chunk))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
