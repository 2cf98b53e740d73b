"""Encoders on a Triton server against the same encoders in this process: latency of a video, throughput when saturated.

Both take turns, because other work on the machine changes over time; the ratio of a row is more reliable than its
times. Inputs are random: the time of a network does not depend on their content.
"""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from tagging.bundle.files import read_manifest
from tagging.features.factory import Encoders, load_encoders
from tagging.features.triton.client import TritonClient
from tagging.types import Frames, Sound

FRAMES, SOUND_S, TITLES = 16, 10, 1  # of a video
WORDS = ("how", "to", "bake", "bread", "at", "home", "with", "rye", "flour", "and", "seeds")
ROUNDS = 5

Work = Callable[[], Any]


def compare(bundle: Path, url: str, seconds: float, calls_at_once: int, seed: int) -> list[dict[str, Any]]:
    """Return a row for each modality of the bundle, and one for all of them: a whole video.

    seconds: of saturation for each row and side; calls_at_once: to the server
    """
    config = read_manifest(bundle).config.encoders.model_copy(update={"speech": None, "screen": None})
    with TritonClient(url) as client:
        local, remote = _work(load_encoders(config), seed), _work(load_encoders(config, client), seed)
        return [_row(name, local[name], remote[name], seconds, calls_at_once) for name in local]


def _work(encoders: Encoders, seed: int) -> dict[str, Work]:
    """Return what encodes each modality of one video; its media are decoded and prepared."""
    rng = np.random.default_rng(seed)
    work: dict[str, Work] = {}
    if (text := encoders.text) is not None:
        titles = [" ".join(rng.choice(WORDS, 8)) for _ in range(TITLES)]
        work["text"] = lambda: text.encode(titles)
    if (frames := encoders.frames) is not None:
        pixels = rng.integers(0, 256, (FRAMES, 360, 640, 3), np.uint8)
        pictures = frames.prepare(Frames(pixels, np.arange(float(FRAMES))))
        work["frames"] = lambda: frames.encode(pictures)
    if (audio := encoders.audio) is not None:
        samples = rng.normal(0, 0.1, SOUND_S * 16_000).astype(np.float32)
        examples = audio.prepare(Sound(samples))
        work["audio"] = lambda: audio.encode(examples)
    parts = list(work.values())
    return {**work, "video": lambda: [part() for part in parts]}


def _row(name: str, local: Work, remote: Work, seconds: float, calls_at_once: int) -> dict[str, Any]:
    sides: Mapping[str, tuple[Work, int]] = {"local": (local, 1), "triton": (remote, calls_at_once)}
    latencies: dict[str, list[float]] = {side: [] for side in sides}
    rates: dict[str, list[float]] = {side: [] for side in sides}
    for work, _ in sides.values():
        work()
    for _ in range(ROUNDS):
        for side, (work, threads) in sides.items():
            latencies[side] += _latencies_ms(work, seconds / ROUNDS)
            rates[side].append(_calls_per_s(work, threads, seconds / ROUNDS))
    p50 = {side: median(values) for side, values in latencies.items()}
    rate = {side: median(values) for side, values in rates.items()}
    return {
        "encodes": name,
        "in-process p50, ms": round(p50["local"], 2),
        "Triton p50, ms": round(p50["triton"], 2),
        "overhead, ms": round(p50["triton"] - p50["local"], 2),
        "in-process videos/s": round(rate["local"], 1),
        "Triton videos/s": round(rate["triton"], 1),
        "ratio": round(rate["triton"] / rate["local"], 2),
    }


def _latencies_ms(work: Work, seconds: float) -> list[float]:
    found: list[float] = []
    until_s = time.perf_counter() + seconds
    while not found or time.perf_counter() < until_s:
        began_s = time.perf_counter()
        work()
        found.append(1e3 * (time.perf_counter() - began_s))
    return found


def _calls_per_s(work: Work, threads: int, seconds: float) -> float:
    counts = [0] * threads
    began_s = time.perf_counter()

    def call(number: int) -> None:
        while not counts[number] or time.perf_counter() < began_s + seconds:
            work()
            counts[number] += 1

    callers = [threading.Thread(target=call, args=(number,)) for number in range(threads)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    return sum(counts) / (time.perf_counter() - began_s)
