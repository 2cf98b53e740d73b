"""Following of the database: uploads that `videotag recommend add` wrote, and the removal of old ones."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from tagging.recommendation.service.metrics import RecommendationMetrics
from tagging.recommendation.service.uploads import Uploads
from tagging.store.database.video_vectors import VideoVectors

logger = logging.getLogger(__name__)

PAGE = 5000
BATCH = 1000  # videos that one transaction removes


class UploadsFollower:
    """Keeps uploads in memory equal to those in the database. Each method raises the errors of VideoVectors.

    clock: returns the time with a time zone
    """

    def __init__(
        self,
        vectors: VideoVectors,
        uploads: Uploads,
        kept_days: float,
        metrics: RecommendationMetrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._vectors = vectors
        self._uploads = uploads
        self._kept = timedelta(days=kept_days)
        self._metrics = metrics
        self._clock = clock
        self._last = 0  # number of the last row that was read

    async def follow(self) -> None:
        """Read what was written since the last time."""
        while page := await self._vectors.after(self._last, PAGE):
            self._uploads.put(page)
            self._last = page.last
            self._metrics.uploads.set(len(self._uploads))

    async def prune(self) -> None:
        """Remove what has been there for more than the days for which it is recommended, of every model."""
        before, removed = self._clock() - self._kept, 0
        while count := await self._vectors.prune(before, BATCH):
            removed += count
        self._uploads.forget(before)
        self._metrics.uploads.set(len(self._uploads))
        if removed:
            logger.info("old uploads removed", extra={"videos": removed})
