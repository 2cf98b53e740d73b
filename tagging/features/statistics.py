"""Encoders without weights: plain statistics of text, pictures and sound.

For tests and quickstart, and as a baseline for trained encoders. A fixed centre is subtracted from the features, so
that the cosine of different inputs is close to zero, and a small constant is added, so that no row has length zero.
"""

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from tagging.features.log_mel import log_mel
from tagging.features.weights import fingerprint
from tagging.text.normalise import VERSION, normalise
from tagging.types import Frames, Sound

SIDE = 32  # of the thumbnails that frame statistics are computed on
_HUES = 12
_LIGHTS = 6
_GRID = 4
_ANGLES = 8
_CONSTANT = 0.05

# Means over the frames and sounds of 60 real clips, and weights that balance the groups.
_HUE_CENTRE, _HUE_WEIGHT = 0.009, 14.0
_LIGHT_CENTRE, _LIGHT_WEIGHT = 1 / _LIGHTS, 2.5
_GRID_CENTRE, _GRID_WEIGHT = 0.37, 0.75
_EDGE_CENTRE, _EDGE_WEIGHT = 0.008, 27.0
_LEVEL_CENTRE, _LEVEL_WEIGHT = np.linspace(0.8, -1.4, 64), 0.1  # real sound is weaker in high bands
_SPREAD_CENTRE, _SPREAD_WEIGHT = 0.81, 0.4
_CHANGE_CENTRE, _CHANGE_WEIGHT = 0.395, 1.3


class HashedTextEncoder:
    """A TextEncoder of signed, hashed character 2- to 4-grams (Weinberger et al. 2009). A token is a character."""

    max_tokens = 8192

    def __init__(self, dim: int = 256) -> None:
        self.dim = dim
        self.fingerprint = fingerprint("hashed-ngrams", {"dim": dim, "normalisation": VERSION, "version": 1}, {})

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """(B,) characters of each normalised text."""
        return np.array([len(normalise(text)) for text in texts], np.int64)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """B texts -> (B, D) unit rows; an n-gram that occurs f times adds ±(1 + ln f) to its bucket."""
        rows = np.zeros((len(texts), self.dim), np.float64)
        for row, text in zip(rows, texts, strict=True):
            padded = f" {normalise(text)[: self.max_tokens]} "
            grams = Counter(padded[i : i + n] for n in (2, 3, 4) for i in range(len(padded) - n + 1))
            for gram, count in grams.items():
                hashed = _hash(gram)
                row[(hashed >> 1) % self.dim] += (1 if hashed & 1 else -1) * (1 + math.log(count))
            if not row.any():  # all buckets cancelled out
                row[0] = 1.0
        return _unit(rows)


class FrameStatisticsEncoder:
    """A FrameEncoder of colours, their positions, and edge directions."""

    dim = _HUES + _LIGHTS + 3 * _GRID**2 + 4 * _ANGLES + 1
    batch_size = 64

    def __init__(self) -> None:
        self.fingerprint = fingerprint("frame-statistics", {"version": 1}, {})

    def prepare(self, frames: Frames) -> NDArray[np.float32]:
        """T pictures -> (T, 3, 32, 32) in [0, 1], each pixel the mean of the area it covers."""
        height, width = frames.pixels.shape[1:3]
        rows, columns = _area_weights(height), _area_weights(width)
        small = np.empty((len(frames.pixels), 3, SIDE, SIDE), np.float32)
        for picture, out in zip(frames.pixels, small, strict=True):
            channels = picture.transpose(2, 0, 1).astype(np.float32) / 255
            out[:] = rows @ channels @ columns.T
        return small.clip(0, 1)

    def encode(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 3, 32, 32) -> (B, D) unit rows."""
        pictures = inputs.astype(np.float64)
        groups = (
            _HUE_WEIGHT * (_hues(pictures) - _HUE_CENTRE),
            _LIGHT_WEIGHT * (_lights(pictures) - _LIGHT_CENTRE),
            _GRID_WEIGHT * (_grid(pictures) - _GRID_CENTRE),
            _EDGE_WEIGHT * (_edges(pictures) - _EDGE_CENTRE),
            np.full((len(pictures), 1), _CONSTANT),
        )
        return _unit(np.concatenate(groups, axis=1))


class SoundStatisticsEncoder:
    """A SoundEncoder of the level, spread and change of each mel band over an example."""

    dim = 3 * 64 + 1
    batch_size = 64

    def __init__(self) -> None:
        self.fingerprint = fingerprint("sound-statistics", {"version": 1}, {})

    def prepare(self, sound: Sound) -> NDArray[np.float32]:
        """Sound -> (S, 96, 64) log-mel examples."""
        return log_mel(sound)

    def encode(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """(B, 96, 64) -> (B, D) unit rows."""
        examples = inputs.astype(np.float64)
        change = np.abs(np.diff(examples, axis=1)).mean(axis=1)
        groups = (
            _LEVEL_WEIGHT * (examples.mean(axis=1) - _LEVEL_CENTRE),
            _SPREAD_WEIGHT * (examples.std(axis=1) - _SPREAD_CENTRE),
            _CHANGE_WEIGHT * (change - _CHANGE_CENTRE),
            np.full((len(examples), 1), _CONSTANT),
        )
        return _unit(np.concatenate(groups, axis=1))


@lru_cache(maxsize=1 << 18)
def _hash(gram: str) -> int:
    return int.from_bytes(blake2b(gram.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def _area_weights(pixels: int) -> NDArray[np.float32]:
    """(SIDE, pixels) share of each of `pixels` in each of SIDE equal stretches; rows sum to 1."""
    edges = np.linspace(0, pixels, SIDE + 1)[:, None]
    starts = np.arange(pixels)[None]
    overlap = np.minimum(edges[1:], starts + 1) - np.maximum(edges[:-1], starts)
    return (overlap.clip(min=0) * (SIDE / pixels)).astype(np.float32)


def _histogram(bins: NDArray[np.int64], weights: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """(B, P) bins and weights -> (B, count) mean weight of each bin."""
    flat = bins + count * np.arange(len(bins))[:, None]
    sums = np.bincount(flat.ravel(), weights.ravel(), minlength=count * len(bins))
    means: NDArray[np.float64] = sums.reshape(len(bins), count) / bins.shape[1]
    return means


def _hues(pictures: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, 12) mean saturation of the pixels of each hue, as an angle of the opponent colours."""
    red, green, blue = pictures.reshape(len(pictures), 3, SIDE * SIDE).transpose(1, 0, 2)
    across, along = red - (green + blue) / 2, (green - blue) * (math.sqrt(3) / 2)
    hue = np.floor((np.arctan2(along, across) / (2 * math.pi) % 1.0) * _HUES).astype(np.int64) % _HUES
    return _histogram(hue, np.hypot(across, along), _HUES)


def _lights(pictures: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, 6) share of the pixels of each brightness."""
    light = pictures.mean(axis=1).reshape(len(pictures), SIDE * SIDE)
    bins = np.minimum((light * _LIGHTS).astype(np.int64), _LIGHTS - 1)
    return _histogram(bins, np.ones_like(light), _LIGHTS)


def _grid(pictures: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, 48) mean colour of each field of a 4 by 4 grid."""
    step = SIDE // _GRID
    fields = pictures.reshape(-1, 3, _GRID, step, _GRID, step)
    means: NDArray[np.float64] = fields.mean(axis=(3, 5)).reshape(len(pictures), 3 * _GRID**2)
    return means


def _edges(pictures: NDArray[np.float64]) -> NDArray[np.float64]:
    """(B, 32) mean strength of the edges of each direction, in each quarter of the picture."""
    light = pictures.mean(axis=1)
    down, right = np.gradient(light, axis=(1, 2))
    angle = np.floor((np.arctan2(down, right) / math.pi % 1.0) * _ANGLES).astype(np.int64) % _ANGLES
    half = SIDE // 2
    quarters = [(slice(None), y, x) for y in (slice(half), slice(half, None)) for x in (slice(half), slice(half, None))]
    count = len(pictures)
    parts = [
        _histogram(angle[q].reshape(count, half * half), np.hypot(down, right)[q].reshape(count, half * half), _ANGLES)
        for q in quarters
    ]
    return np.concatenate(parts, axis=1)
