"""Whether memory stays flat under load that goes on: its slope, how sure that is, and a verdict."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from videotag.v1 import tagging_pb2 as pb

from tagging.service.bench.load import Load, Row, TagVideo, drive
from tagging.service.bench.process import Footprint

FLAT_MIB_H = 20.0  # half a GiB a day: what is restarted for other reasons bears it
WARM_SHARE = 0.25  # of the time: allocators and caches still fill
BLOCKS = 12  # samples near each other are alike, so what is fitted are means of so many stretches
SAMPLES = 240

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
    """Of the samples behind WARM_SHARE of the time. Where there are fewer than 2 * BLOCKS of them, nothing is known."""
    at, held = np.asarray(hours), np.asarray(mib)
    late = at >= at.min() + WARM_SHARE * np.ptp(at)
    if late.sum() < 2 * BLOCKS:
        return Slope(float("nan"), float("inf"))
    line = stats.linregress(_means(at[late]), _means(held[late]))
    return Slope(float(line.slope), float(stats.t.ppf(0.975, BLOCKS - 2) * line.stderr))


async def soak(
    tag: TagVideo,
    asked: Iterator[pb.TagVideoRequest],
    footprint: Callable[[], Footprint],
    concurrency: int,
    seconds: float,
) -> tuple[list[Row], Load]:
    """The table of a load that goes on for so long, and the load."""
    began, hours = time.perf_counter(), list[float]()
    held = list[Footprint]()
    driving = asyncio.create_task(drive(tag, asked, concurrency, seconds))
    while not driving.done():
        hours.append((time.perf_counter() - began) / 3600)
        held.append(await asyncio.to_thread(footprint))
        await asyncio.wait([driving], timeout=seconds / SAMPLES)
    load = await driving
    found = slope(hours, [one.resident_mib for one in held])
    row = {
        "minutes": round(seconds / 60, 1),
        "MiB, first": round(held[0].resident_mib),
        "MiB, last": round(held[-1].resident_mib),
        "MiB an hour": round(found.mib_h, 1),
        "±": round(found.margin, 1),
        "memory": found.verdict,
        **load.row(),
    }
    return [row], load


def _means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([block.mean() for block in np.array_split(values, BLOCKS)])
