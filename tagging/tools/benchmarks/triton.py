"""Networks on a Triton server against the same ones in this process: latency of a video, throughput when saturated.

Both take turns, because other work on the machine changes over time; the ratio of a row is more reliable than its
times. Inputs are made up: the time of an encoder does not depend on their content, and readers find as much on either
side.
"""

import threading
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from rank.base import every
from tagging.bench.encoding_work import WORDS, Work, encoding_work
from tagging.bench.reading_work import reading_work
from tagging.bundle.manifest import BUNDLE
from tagging.features.factory import load_encoders
from tagging.features.triton.client import TritonClient
from tagging.pipeline.load import load_tagger
from tagging.pipeline.models import encode
from tagging.pipeline.stages import untimed
from tagging.pipeline.triton_towers import towers_of
from tagging.types import VideoRef

ROUNDS = 5


def compare(bundle: Path, url: str, seconds: float, calls_at_once: int, seed: int) -> list[dict[str, Any]]:
    """Return a row for each modality of the bundle, one for all of them: a whole video, and for its readers and towers.

    seconds: of saturation for each row and side; calls_at_once: to the server, and to readers in this process
    """
    config = BUNDLE.read(bundle).config.encoders
    with TritonClient(url) as client:
        here, there = load_encoders(config), load_encoders(config, client)
        local, remote = encoding_work(here, seed), encoding_work(there, seed)
        rows = [_row(name, local[name], remote[name], seconds, calls_at_once) for name in local]
        local, remote = reading_work(here, seed), reading_work(there, seed)
        rows += [_row(name, local[name], remote[name], seconds, calls_at_once, calls_at_once) for name in local]
        return [*rows, *tower_rows(bundle, client, seconds, calls_at_once)]


def tower_rows(bundle: Path, client: TritonClient, seconds: float, calls_at_once: int) -> list[dict[str, Any]]:
    """Return a row for recall and rank of a video that is encoded, whose towers run here or on Triton.

    It has a title only. There is no row for a bundle without towers.
    """
    with load_tagger(bundle) as local, load_tagger(bundle, triton=client) as remote:
        if not towers_of(remote.models):
            return []
        encoded = encode(local.models.encoders, [local.read(VideoRef("video", title=" ".join(WORDS)))], untimed)
        here, there = (partial(tagger.models.score, encoded, [every], untimed) for tagger in (local, remote))
        return [_row("recall and rank, towers", here, there, seconds, calls_at_once)]


def _row(
    name: str, local: Work, remote: Work, seconds: float, calls_at_once: int, local_calls: int = 1
) -> dict[str, Any]:
    sides: Mapping[str, tuple[Work, int]] = {"local": (local, local_calls), "triton": (remote, calls_at_once)}
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
        "work": name,
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
