"""Pictures of a page: thumbnails of frames and the spectrogram of the sound, as data URIs within a budget of bytes."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tagging.features.log_mel import EXAMPLE_SAMPLES, HOP_SAMPLES, STEP_SAMPLES, WINDOWS, log_mel
from tagging.types import SAMPLE_RATE_HZ, Frames, Sound

MAX_FRAMES = 48
FRAMES_BYTES = 1_200_000  # of all data URIs of frames
SIDES = (480, 320, 240, 160, 96)  # px, longest side: the largest at which the frames fit; 48 of noise in 96 px do
QUALITY = 72  # of WebP
SPECTROGRAM_COLUMNS = 1200
_SECONDS_AT_ONCE = 96  # of sound: 100 examples of 0.96 s
# Dark to light in equal steps of lightness, so that loud parts stand out without colour vision, too.
_RAMP = np.array([(13, 14, 33), (63, 28, 99), (135, 43, 108), (206, 74, 78), (246, 142, 61), (252, 246, 190)])


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A frame as a small picture."""

    time_s: float | None  # None where the times of the frames are unknown
    uri: str  # data URI


@dataclass(frozen=True, slots=True)
class Spectrogram:
    """Loudness of the sound by time and pitch: log-mel, 125 Hz at the bottom to 7.5 kHz at the top."""

    duration_s: float
    uri: str  # data URI of a PNG


def thumbnails(frames: Frames) -> tuple[Thumbnail, ...]:
    """Return at most MAX_FRAMES frames, evenly chosen, as WebP in the largest of SIDES that the budget allows."""
    count = len(frames.pixels)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MAX_FRAMES)).round().astype(int)).tolist()
    for side in SIDES:
        uris = [_webp(frames.pixels[row], side) for row in chosen]
        if sum(map(len, uris)) <= FRAMES_BYTES:
            break
    times = frames.times_s
    is_known = bool(np.isfinite(times).all() and (np.diff(times) >= 0.0).all() and times[0] >= 0.0)
    return tuple(
        Thumbnail(round(float(times[row]), 3) if is_known else None, uri) for row, uri in zip(chosen, uris, strict=True)
    )


def spectrogram(sound: Sound) -> Spectrogram | None:
    """Return the spectrogram of the whole sound; None without a sample.

    Each column is the loudest of its windows, so that a click in an hour stays visible.
    """
    if not len(sound.samples):
        return None
    mel = _pooled_log_mel(sound.samples)  # (columns, bands)
    quiet, loud = np.percentile(mel, (5.0, 99.8))
    level = np.clip((mel - quiet) / max(loud - quiet, 1e-6), 0.0, 1.0)
    picture = Image.fromarray(np.ascontiguousarray((255 * level).astype(np.uint8).T[::-1]), "L").convert("P")
    picture.putpalette(_palette())
    return Spectrogram(sound.duration_s, _data_uri(picture, "PNG", optimize=True))


def _pooled_log_mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Samples -> (columns, 64) largest log-mel of the windows in each column; at most SPECTROGRAM_COLUMNS."""
    windows = -(-len(samples) // STEP_SAMPLES)
    per_column = -(-windows // SPECTROGRAM_COLUMNS)
    columns: list[NDArray[np.float32]] = []
    piece = per_column * max(1, _SECONDS_AT_ONCE * SAMPLE_RATE_HZ // (per_column * STEP_SAMPLES))  # windows
    for first in range(0, windows, piece):
        mel = _log_mel(samples[first * STEP_SAMPLES :], min(piece, windows - first))
        starts = np.arange(0, len(mel), per_column)
        columns.append(np.maximum.reduceat(mel, starts, axis=0))
    return np.concatenate(columns)


def _log_mel(samples: NDArray[np.float32], windows: int) -> NDArray[np.float32]:
    """Return the first (windows, 64) of the log-mel of samples; after their end there is silence."""
    examples = -(-windows // WINDOWS)
    needed = (examples - 1) * HOP_SAMPLES + EXAMPLE_SAMPLES
    padded = np.zeros(needed, np.float32)
    padded[: len(samples)] = samples[:needed]
    mel = log_mel(Sound(padded))
    return mel.reshape(-1, mel.shape[2])[:windows]


def _palette() -> Sequence[int]:
    position, stops = np.linspace(0.0, 1.0, 256), np.linspace(0.0, 1.0, len(_RAMP))
    colours = np.stack([np.interp(position, stops, channel) for channel in _RAMP.T], axis=1)
    return [int(value) for value in colours.round().ravel()]


def _webp(pixels: NDArray[np.uint8], side: int) -> str:
    picture = Image.fromarray(pixels)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _data_uri(picture, "WEBP", quality=QUALITY)


def _data_uri(picture: Image.Image, kind: str, **options: object) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
