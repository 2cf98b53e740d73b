"""Soak test: the slope of memory under sustained load, its confidence interval, and a verdict.

Under load, memory rises and falls with the calls in progress, which hides a slope for hours. So the load pauses
repeatedly until freed memory has been returned to the system, and memory is read then.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from tagging.progress import Progress
from tagging.service.malloc_trim import EVERY_S
from tagging.tools.load_test.footprint import Footprint
from tagging.tools.load_test.load import Load, Row

FLAT_MIB_H = 20.0  # half a GiB a day: harmless in a service that is restarted for other reasons
WARM_SHARE = 0.25  # share of the load that is left out: allocators and caches still fill
STRETCHES = 16
REST_S = EVERY_S + 2.0
FEWEST = 6  # readings needed for a verdict

Verdict = Literal["flat", "growing", "not known"]


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth of memory in MiB an hour; the 95 % confidence interval is `mib_h` ± `margin`."""

    mib_h: float
    margin: float

    @property
    def verdict(self) -> Verdict:
        if self.mib_h + self.margin < FLAT_MIB_H:
            return "flat"
        return "growing" if self.mib_h - self.margin > 0 else "not known"


def slope(hours: Sequence[float], mib: Sequence[float]) -> Slope:
    """Fit the readings after the first WARM_SHARE of the hours; fewer than FEWEST of them give an infinite margin."""
    times, memory = np.asarray(hours), np.asarray(mib)
    late = times > WARM_SHARE * times.max(initial=0.0)
    if late.sum() < FEWEST:
        return Slope(float("nan"), float("inf"))
    line = stats.linregress(times[late], memory[late])
    return Slope(float(line.slope), float(stats.t.ppf(0.975, late.sum() - 2) * line.stderr))


async def soak(
    drive_for: Callable[[float], Awaitable[Load]],
    footprint: Callable[[], Footprint],
    seconds: float,
    rest_s: float,
    progress: Progress,
) -> list[Row]:
    """Return the table of a load of `seconds`, rests of `rest_s` seconds not counted.

    drive_for: load the service for a number of seconds.
    """
    load, hours, resting = Load(), list[float](), list[float]()
    loaded = 0.0
    with progress.track("stretches", STRETCHES) as advance:
        for _ in range(STRETCHES):
            load += await drive_for(seconds / STRETCHES)
            loaded = max(loaded, footprint().resident_mib)
            await asyncio.sleep(rest_s)
            hours.append(load.seconds / 3600)
            resting.append(footprint().resident_mib)
            advance(1)
    found = slope(hours, resting)
    row = {
        "minutes": round(load.seconds / 60, 1),
        "MiB, first": round(resting[0]),
        "MiB, last": round(resting[-1]),
        "MiB, loaded": round(loaded),
        "MiB an hour": round(found.mib_h, 1),
        "±": round(found.margin, 1),
        "memory": found.verdict,
        **load.row(),
    }
    return [row]
