"""Progress reporting and per-stage timing."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

Advance = Callable[[int], None]  # called in any thread with the number of units done since its last call


class Progress(Protocol):
    def track(self, label: str, total: int | None) -> AbstractContextManager[Advance]:
        """A named piece of work of `total` units (None: unknown)."""


class Silent:
    """Shows nothing."""

    @contextmanager
    def track(self, label: str, total: int | None) -> Iterator[Advance]:
        yield lambda _: None


@dataclass(slots=True)
class Stopwatch:
    """`with watch("load encoders"): ...`"""

    seconds: dict[str, float] = field(default_factory=dict)  # of each stage

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - started, 2)
