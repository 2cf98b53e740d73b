"""Whether memory stays flat under load that goes on: its slope, how sure that is, and a verdict.

Under load it rises and falls by what is worked on, which hides a slope for hours. So the load rests again and again,
until freed memory has been given back, and what is held then is read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from tagging.progress import Progress
from tagging.service.malloc_trim import EVERY_S
from tagging.tools.load_test.load import Load, Row
from tagging.tools.load_test.process import Footprint

FLAT_MIB_H = 20.0  # half a GiB a day: what is restarted for other reasons bears it
WARM_SHARE = 0.25  # of the load: allocators and caches still fill
STRETCHES = 16
REST_S = EVERY_S + 2.0
FEWEST = 6  # readings that say anything

Verdict = Literal["flat", "growing", "not known"]


@dataclass(frozen=True, slots=True)
class Slope:
    """MiB an hour, within `margin` 19 times in 20."""

    mib_h: float
    margin: float

    @property
    def verdict(self) -> Verdict:
        if self.mib_h + self.margin < FLAT_MIB_H:
            return "flat"
        return "growing" if self.mib_h - self.margin > 0 else "not known"


def slope(hours: Sequence[float], mib: Sequence[float]) -> Slope:
    """Of the readings behind WARM_SHARE of the hours. Where there are fewer than FEWEST of them, nothing is known."""
    at, held = np.asarray(hours), np.asarray(mib)
    late = at > WARM_SHARE * at.max(initial=0.0)
    if late.sum() < FEWEST:
        return Slope(float("nan"), float("inf"))
    line = stats.linregress(at[late], held[late])
    return Slope(float(line.slope), float(stats.t.ppf(0.975, late.sum() - 2) * line.stderr))


async def soak(
    drive_for: Callable[[float], Awaitable[Load]],
    footprint: Callable[[], Footprint],
    seconds: float,
    rest_s: float,
    progress: Progress,
) -> list[Row]:
    """The table of a load that goes on for so long, rests not counted.

    drive_for: puts the load on for some seconds
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
