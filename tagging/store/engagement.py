"""Engagement with a video: exposures and clicks with exponential decay.

A count n of time t is n · 2^(−(t' − t) / h) at the time t', with half-life h. Events may be added in any order.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Engagement:
    """Decayed counts."""

    exposures: float
    clicks: float
    at: datetime  # the time of the counts

    def __post_init__(self) -> None:
        if self.exposures < 0 or self.clicks < 0:
            raise ValueError(f"{self.exposures} exposures, {self.clicks} clicks")

    @property
    def click_rate(self) -> float:
        """The share of exposures with a click, in [0, 1]; 0 without any. A click implies an exposure."""
        exposures = max(self.exposures, self.clicks)
        return self.clicks / exposures if exposures else 0.0

    def decayed(self, at: datetime, half_life_s: float) -> "Engagement":
        """Return the counts at another time."""
        factor = 2.0 ** (-(at - self.at).total_seconds() / half_life_s)
        return Engagement(self.exposures * factor, self.clicks * factor, at)

    def plus(self, other: "Engagement", half_life_s: float) -> "Engagement":
        """Return the sum, at the later of both times; the time of zeros does not matter."""
        for zeros, counts in ((self, other), (other, self)):
            if not (zeros.exposures or zeros.clicks):
                return counts
        at = max(self.at, other.at)
        own, added = self.decayed(at, half_life_s), other.decayed(at, half_life_s)
        return Engagement(own.exposures + added.exposures, own.clicks + added.clicks, at)
