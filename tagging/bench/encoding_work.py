"""Encoding of made-up videos, for measurements of encoders: the time of a network does not depend on its input."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tagging.features.factory import Encoders
from tagging.types import Frames, Sound

FRAMES, SOUND_S = 16, 10  # of a video
WORDS = ("how", "to", "bake", "bread", "at", "home", "with", "rye", "flour", "and", "seeds")

Work = Callable[[], Any]


def encoding_work(encoders: Encoders, seed: int, videos: int = 1) -> dict[str, Work]:
    """Return what encodes each modality of some videos, and all of them; their media are decoded and prepared.

    videos: encoded by one call; each has a title of 8 words, 16 frames and 10 s of sound
    """
    rng = np.random.default_rng(seed)
    work: dict[str, Work] = {}
    if (text := encoders.text) is not None:
        titles = [" ".join(rng.choice(WORDS, 8)) for _ in range(videos)]
        work["text"] = lambda: text.encode(titles)
    if (frames := encoders.frames) is not None:
        pixels = rng.integers(0, 256, (FRAMES, 360, 640, 3), np.uint8)
        pictures = np.concatenate([frames.prepare(Frames(pixels, np.arange(float(FRAMES))))] * videos)
        work["frames"] = lambda: frames.encode(pictures)
    if (audio := encoders.audio) is not None:
        samples = rng.normal(0, 0.1, SOUND_S * 16_000).astype(np.float32)
        examples = np.concatenate([audio.prepare(Sound(samples))] * videos)
        work["audio"] = lambda: audio.encode(examples)
    parts = list(work.values())
    return {**work, "video": lambda: [part() for part in parts]}
