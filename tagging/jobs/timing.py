"""Stage seconds of a batch: how long each stage of the pipeline worked, summed over threads."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tagging.pipeline.stages import Stage


class StageSeconds:
    """`with seconds("encode"): …`; `take` returns what was measured since the last call."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, stage: Stage, /) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._seconds[stage] = self._seconds.get(stage, 0.0) + time.perf_counter() - started

    def take(self) -> dict[str, float]:
        with self._lock:
            seconds, self._seconds = self._seconds, {}
        return seconds


def added(*parts: Mapping[str, float]) -> dict[str, float]:
    """Return the sum of the seconds of each stage."""
    total: dict[str, float] = {}
    for part in parts:
        for stage, seconds in part.items():
            total[stage] = total.get(stage, 0.0) + seconds
    return total
