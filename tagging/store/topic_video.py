"""Videos of topics: the topics of a video, and what its place in their queues depends on."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AssignedVideo:
    """The topics of a video."""

    video_id: str
    topics: tuple[tuple[int, float], ...]  # id and similarity, best first; none is possible


@dataclass(frozen=True, slots=True)
class QueueRules:
    """Which videos are in queues at a time.

    Proven are videos with both thresholds, fresh those with fewer exposures that were assigned lately.
    """

    at: datetime
    half_life_s: float
    least_exposures: float  # decayed; from 0
    least_click_rate: float
    fresh_since: datetime
