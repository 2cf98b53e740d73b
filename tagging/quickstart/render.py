"""Synthetic video clips: renders and encodes short scenes with sound.

A scene is a sky of two colours with a moving pattern; a sound is a few seconds of synthesis.
"""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tagging.types import SAMPLE_RATE_HZ

WIDTH, HEIGHT, FPS, SECONDS = 192, 108, 12, 3
Picture = NDArray[np.float32]  # (HEIGHT, WIDTH, 3) in [0, 1]
Wave = NDArray[np.float32]  # (samples,) in [-1, 1]

ROWS, COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
TIMES_S = np.arange(SECONDS * SAMPLE_RATE_HZ, dtype=np.float32) / SAMPLE_RATE_HZ


def render_clip(path: Path, scene: str, sound: str, rng: np.random.Generator) -> None:
    """Write an MP4 of SECONDS: MPEG-4 video and AAC sound, both drawn with the generator."""
    draw, wave = SCENES[scene](rng), SOUNDS[sound](rng)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=FPS)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = container.add_stream("aac", rate=SAMPLE_RATE_HZ)
        audio.layout = "mono"
        for number in range(SECONDS * FPS):
            picture = np.clip(draw(number / FPS) + rng.normal(0, 0.015, (HEIGHT, WIDTH, 1)), 0, 1)
            frame = av.VideoFrame.from_ndarray((picture * 255).astype(np.uint8), format="rgb24")
            frame.pts = number
            container.mux(video.encode(frame))
        samples = np.clip(wave, -1, 1)[None].astype(np.float32)
        chunk = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        chunk.sample_rate, chunk.pts, chunk.time_base = SAMPLE_RATE_HZ, 0, Fraction(1, SAMPLE_RATE_HZ)
        container.mux(audio.encode(chunk))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


# ---------------------------------------------------------------- scenes

Draw = Callable[[float], Picture]


def _sky(top: tuple[float, float, float], bottom: tuple[float, float, float], rng: np.random.Generator) -> Picture:
    tint = rng.normal(0, 0.03, 3)
    share = (ROWS / HEIGHT)[..., None]
    return np.asarray((1 - share) * np.array(top) + share * np.array(bottom) + tint, np.float32)


def _disc(x: float, y: float, radius: float) -> NDArray[np.bool_]:
    return np.asarray((COLUMNS - x) ** 2 + (ROWS - y) ** 2 < radius**2)


def _sunset(rng: np.random.Generator) -> Draw:
    sky, x = _sky((0.35, 0.15, 0.35), (1.0, 0.55, 0.15), rng), rng.uniform(50, 140)

    def draw(t: float) -> Picture:
        picture = sky.copy()
        picture[_disc(x, 50 + 6 * t, 16)] = (1.0, 0.9, 0.4)
        picture[ROWS > 84] *= 0.4
        return picture

    return draw


def _underwater(rng: np.random.Generator) -> Draw:
    sky, bubbles = _sky((0.1, 0.55, 0.65), (0.0, 0.15, 0.3), rng), rng.uniform(0, 1, (12, 2))

    def draw(t: float) -> Picture:
        picture = sky.copy()
        for x, y in bubbles:
            picture[_disc(x * WIDTH, ((y - 0.2 * t) % 1) * HEIGHT, 4)] += 0.3
        return picture

    return draw


def _snow(rng: np.random.Generator) -> Draw:
    sky, flakes = _sky((0.7, 0.78, 0.88), (0.95, 0.96, 1.0), rng), rng.uniform(0, 1, (40, 2))

    def draw(t: float) -> Picture:
        picture = sky.copy()
        for x, y in flakes:
            picture[_disc(x * WIDTH, ((y + 0.25 * t) % 1) * HEIGHT, 2)] = 1.0
        return picture

    return draw


def _forest(rng: np.random.Generator) -> Draw:
    sky, trunks = _sky((0.35, 0.6, 0.3), (0.1, 0.3, 0.1), rng), rng.uniform(0, WIDTH, 9)

    def draw(t: float) -> Picture:
        picture = sky.copy()
        for x in trunks:
            picture[np.abs(COLUMNS - (x + 10 * t) % WIDTH) < 5] = (0.25, 0.16, 0.08)
        return picture

    return draw


def _city_night(rng: np.random.Generator) -> Draw:
    sky, windows = _sky((0.02, 0.02, 0.08), (0.08, 0.06, 0.15), rng), rng.uniform(0, 1, (60, 2))

    def draw(t: float) -> Picture:
        picture = sky.copy()
        for n, (x, y) in enumerate(windows):
            lit = (np.abs(COLUMNS - x * WIDTH) < 2) & (np.abs(ROWS - 40 - y * 60) < 2)
            picture[lit] = (0.9, 0.8, 0.3) if (n + int(3 * t)) % 4 else (0.3, 0.3, 0.2)
        return picture

    return draw


def _desert(rng: np.random.Generator) -> Draw:
    sky, phase = _sky((0.45, 0.7, 0.95), (0.8, 0.85, 0.95), rng), rng.uniform(0, 6)

    def draw(t: float) -> Picture:
        picture = sky.copy()
        picture[62 + 10 * np.sin(COLUMNS / 30 + phase + 0.3 * t) < ROWS] = (0.85, 0.65, 0.35)
        return picture

    return draw


SCENES: dict[str, Callable[[np.random.Generator], Draw]] = {
    "sunset": _sunset,
    "underwater": _underwater,
    "snow": _snow,
    "forest": _forest,
    "city at night": _city_night,
    "desert": _desert,
}


# ---------------------------------------------------------------- sounds


def _notes(rng: np.random.Generator, low_hz: float, decay: float, partials: int, every_s: float) -> Wave:
    wave = np.zeros_like(TIMES_S)
    for start in np.arange(0, SECONDS, every_s):
        pitch = low_hz * 2 ** (rng.choice([0, 3, 5, 7, 10, 12]) / 12)
        elapsed_s = np.maximum(TIMES_S - start, 0)
        envelope = np.where(start <= TIMES_S, np.exp(-decay * elapsed_s), 0)
        wave += envelope * sum(np.sin(2 * np.pi * pitch * k * elapsed_s) / k for k in range(1, partials + 1))
    return np.asarray(0.25 * wave, np.float32)


def _noise(rng: np.random.Generator, smooth: int) -> Wave:
    noise = rng.normal(0, 1, len(TIMES_S) + smooth - 1)
    wave = np.convolve(noise, np.ones(smooth) / smooth, "valid")
    return np.asarray(0.2 * wave / wave.std(), np.float32)


def _drums(rng: np.random.Generator) -> Wave:
    beat = rng.uniform(0.28, 0.36)
    elapsed_s = TIMES_S % beat
    kick = np.sin(2 * np.pi * 60 * elapsed_s) * np.exp(-18 * elapsed_s)
    hat = _noise(rng, 1) * np.exp(-50 * ((TIMES_S + beat / 2) % beat))
    return np.asarray(0.7 * kick + hat, np.float32)


def _birds(rng: np.random.Generator) -> Wave:
    rate, base = rng.uniform(4, 6), rng.uniform(2800, 3600)
    sweep = base * TIMES_S + 90 * np.sin(2 * np.pi * 9 * TIMES_S)
    gate = (np.sin(2 * np.pi * rate * TIMES_S) > 0.2) * (np.sin(2 * np.pi * 0.7 * TIMES_S) > -0.4)
    return np.asarray(0.3 * np.sin(2 * np.pi * sweep) * gate + 0.02 * _noise(rng, 3), np.float32)


def _engine(rng: np.random.Generator) -> Wave:
    base = rng.uniform(45, 60) * (1 + 0.15 * TIMES_S / SECONDS)
    phase = np.cumsum(base) / SAMPLE_RATE_HZ
    saw = 2 * (phase % 1) - 1
    return np.asarray(0.35 * saw + 0.15 * _noise(rng, 12), np.float32)


SOUNDS: dict[str, Callable[[np.random.Generator], Wave]] = {
    "piano": lambda rng: _notes(rng, 262, 3.0, 5, 0.4),
    "flute": lambda rng: _notes(rng, 784, 0.8, 1, 0.75),
    "drums": _drums,
    "rain": lambda rng: _noise(rng, 2),
    "birds singing": _birds,
    "engine": _engine,
}
