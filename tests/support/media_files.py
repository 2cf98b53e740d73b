"""Tiny media files with distinguishable frames, made with PyAV."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from tagging.media.source import content_hash

SIDE = 64
Paint = Callable[[int], NDArray[np.uint8]]


def numbered(number: int, height: int = SIDE, width: int = SIDE) -> NDArray[np.uint8]:
    """Return an (H, W, 3) picture of the number as twelve bright or dark blocks, with a moving line."""
    picture = np.full((height, width, 3), 40, np.uint8)
    for bit in range(12):
        row, column = divmod(bit, 4)
        block = picture[row * height // 4 : (row + 1) * height // 4, column * width // 4 : (column + 1) * width // 4]
        block[:] = (200, 180, 220) if number >> bit & 1 else (30, 60, 20)
    picture[height - height // 4 :, number * 3 % width] = 250
    return picture


def number_of(picture: NDArray[np.uint8]) -> int:
    """Return the number that `numbered` painted, read from a picture of any size."""
    height, width = picture.shape[:2]
    at = [((2 * row + 1) * height // 8, (2 * column + 1) * width // 8) for row in range(3) for column in range(4)]
    return sum(1 << bit for bit, (y, x) in enumerate(at) if picture[y, x].mean() > 120)


def quadrants(_: int) -> NDArray[np.uint8]:
    """Return a (48, 96, 3) picture: red top left, green top right, blue bottom left, white bottom right."""
    picture = np.zeros((48, 96, 3), np.uint8)
    picture[:24, :48], picture[:24, 48:], picture[24:, :48], picture[24:, 48:] = (
        (220, 20, 20),
        (20, 220, 20),
        (20, 20, 220),
        (230, 230, 230),
    )
    return picture


@dataclass(frozen=True)
class Film:
    """Parameters of a media file; `make` writes it."""

    frames: int = 0
    rate: int = 10
    codec: str = "libx264"
    pixels: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    paint: Paint = numbered
    times: Sequence[int] | None = None  # pts in 1/rate s; None: 0, 1, 2, ...
    sample_aspect: Fraction | None = None
    rotation: int | None = None  # degrees, as ffmpeg's display matrix counts: counterclockwise
    tone_s: float = 0.0
    tone: float = 0.5  # amplitude
    tone_codec: str = "aac"
    channels: str = "mono"
    cover: bool = False
    container_options: dict[str, str] = field(default_factory=dict)


def make(path: Path, film: Film) -> Path:
    with av.open(str(path), "w", options=film.container_options) as out:
        _write(out, film)
    assert len(content_hash(path)) == 64
    return path


def _write(out: OutputContainer, film: Film) -> None:
    video: VideoStream | None = None
    sound: AudioStream | None = None
    if film.frames:
        height, width = film.paint(0).shape[:2]
        added = out.add_stream(film.codec, rate=film.rate, options=film.options)
        assert isinstance(added, VideoStream)
        video = added
        video.width, video.height, video.pix_fmt = width, height, film.pixels
        video.time_base = video.codec_context.time_base = Fraction(1, film.rate)
        if film.sample_aspect is not None:
            video.codec_context.sample_aspect_ratio = film.sample_aspect
        if film.rotation is not None:
            video.set_display_rotation(film.rotation)
    if film.tone_s:
        added = out.add_stream(film.tone_codec, rate=44100, layout=film.channels)
        assert isinstance(added, AudioStream)
        sound = added
    if film.cover:
        _add_cover(out)
    if video is not None:
        times = film.times if film.times is not None else range(film.frames)
        for number, time in enumerate(times):
            frame = _frame(film.paint(number), film.pixels)
            frame.pts, frame.time_base = time, Fraction(1, film.rate)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
    if sound is not None:
        for start in range(0, round(film.tone_s * 44100), 1024):
            out.mux(sound.encode(_tone(start, min(1024, round(film.tone_s * 44100) - start), film)))
        out.mux(sound.encode(None))


def _frame(picture: NDArray[np.uint8], pixels: str) -> VideoFrame:
    if pixels == "pal8":
        grey = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 4, axis=1)
        grey[:, 0] = 255  # ARGB
        indexed: Any = (picture.mean(axis=2).astype(np.uint8), grey)  # PyAV takes the pair, its types do not
        return VideoFrame.from_ndarray(indexed, format="pal8")
    return VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)


def _tone(start: int, samples: int, film: Film) -> AudioFrame:
    wave = film.tone * np.sin(2 * np.pi * 440 * (start + np.arange(samples)) / 44100)
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[film.channels]
    if film.tone_codec == "pcm_s16le":
        data = np.repeat((wave * 32767).astype(np.int16), channels)[None]
        frame = AudioFrame.from_ndarray(data, format="s16", layout=film.channels)
    else:
        frame = AudioFrame.from_ndarray(
            np.tile(wave.astype(np.float32), (channels, 1)), format="fltp", layout=film.channels
        )
    frame.sample_rate, frame.pts, frame.time_base = 44100, start, Fraction(1, 44100)
    return frame


def _add_cover(out: OutputContainer) -> None:
    from av.stream import Disposition

    cover = out.add_stream("mjpeg", rate=1)
    cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
    cover.disposition = Disposition.attached_pic
    frame = VideoFrame.from_ndarray(np.full((32, 32, 3), 90, np.uint8), format="rgb24").reformat(format="yuvj420p")
    frame.pts = 0
    out.mux(cover.encode(frame))
    out.mux(cover.encode(None))


def brute_force(path: Path, targets: int) -> tuple[list[Fraction], list[NDArray[np.uint8]]]:
    """Decode every frame; return times and pixels of the frames shown at (i + 0.5) / targets of the duration."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        shown: list[tuple[Fraction, Fraction, NDArray[np.uint8]]] = []
        for frame in container.decode(stream):
            assert frame.pts is not None
            length = (frame.duration or 0) * stream.time_base
            shown.append((frame.pts * stream.time_base, length, frame.to_ndarray(format="rgb24").astype(np.uint8)))
    start = shown[0][0]
    duration = shown[-1][0] + shown[-1][1] - start
    times: list[Fraction] = []
    pictures: list[NDArray[np.uint8]] = []
    for i in range(targets):
        target = start + duration * (2 * i + 1) / (2 * targets)
        time, _, picture = max((s for s in shown if s[0] <= target), key=lambda s: s[0], default=shown[0])
        if not times or times[-1] != time - start:
            times.append(time - start)
            pictures.append(picture)
    return times, pictures
