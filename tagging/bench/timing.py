"""Interleaved timing: the sides of a ratio take turns, so that other load on the machine affects them alike."""

import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import psutil

from tagging.bench.figure import Ratio, Row
from tagging.progress import Advance

Work = Callable[[int], object]  # called with the number of the repeat
Clock = Callable[[], float]  # seconds of processor time so far


@dataclass(frozen=True, slots=True)
class Spent:
    elapsed_s: float
    cpu_s: float


def family_cpu_s() -> float:
    """Return the processor time of this process and of all that it started, ended or alive."""
    alive = 0.0
    for process in psutil.Process().children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.Error:  # it ended meanwhile, and counts among those that were waited for
            continue
        alive += times.user + times.system + times.children_user + times.children_system
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return alive + ended.ru_utime + ended.ru_stime + time.process_time()


def spent_on(work: Work, repeat: int, cpu: Clock = time.process_time) -> Spent:
    cpu_s, began_s = cpu(), time.perf_counter()
    work(repeat)
    elapsed_s = time.perf_counter() - began_s
    return Spent(elapsed_s, cpu() - cpu_s)


def in_turn(
    sides: Mapping[str, Work], repeats: int, advance: Advance, cpu: Clock = time.process_time
) -> dict[str, list[Spent]]:
    """Return what each side spent in each repeat. The order alternates: the second of two finds warm caches.

    advance: called after each side with 1, so `repeats * len(sides)` times
    """
    spent: dict[str, list[Spent]] = {name: [] for name in sides}
    for repeat in range(repeats):
        for name, work in list(sides.items())[:: 1 - 2 * (repeat % 2)]:
            spent[name].append(spent_on(work, repeat, cpu))
            advance(1)
    return spent


def median_s(spent: Sequence[Spent]) -> float:
    """Return the median of the elapsed times."""
    return float(np.median([each.elapsed_s for each in spent]))


def median_cpu_s(spent: Sequence[Spent]) -> float:
    return float(np.median([each.cpu_s for each in spent]))


def ratios(numerator: Sequence[Spent], denominator: Sequence[Spent]) -> tuple[Ratio, Ratio]:
    """Return the ratios of the elapsed and of the processor times, repeat by repeat."""
    return (
        Ratio.of([each.elapsed_s for each in numerator], [each.elapsed_s for each in denominator]),
        Ratio.of([each.cpu_s for each in numerator], [each.cpu_s for each in denominator]),
    )


@dataclass(slots=True)
class StageTimes:
    """`with times("text"): …` adds what a stage spends on one video."""

    spent: dict[str, list[Spent]] = field(default_factory=dict)

    @contextmanager
    def __call__(self, stage: str, /) -> Iterator[None]:
        cpu_s, began_s = time.process_time(), time.perf_counter()
        yield
        elapsed_s = time.perf_counter() - began_s
        self.spent.setdefault(stage, []).append(Spent(elapsed_s, time.process_time() - cpu_s))

    def rows(self) -> list[Row]:
        """Return a row for each stage: percentiles of its elapsed milliseconds."""
        rows = []
        for stage, spent in self.spent.items():
            p50, p99 = np.percentile([1e3 * each.elapsed_s for each in spent], (50, 99))
            rows.append({"stage": stage, "p50 ms": round(float(p50), 2), "p99 ms": round(float(p99), 2)})
        return rows
