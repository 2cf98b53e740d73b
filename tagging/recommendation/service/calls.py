"""Calls of the recommendation service: new uploads for a user, by the history that the request states."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from tagging.recommendation.service.config import RecommendationServiceConfig
from tagging.recommendation.service.uploads import Recommendation, Uploads
from tagging.recommendation.two_towers.files import StoredModel
from tagging.types import FloatRows


@dataclass(frozen=True, slots=True)
class RecommendationList:
    """Videos for a user, best first, and the watched ones that did not count."""

    videos: tuple[Recommendation, ...]
    unknown_ids: tuple[str, ...]


class RecommendationCalls:
    """Answers the calls. clock: returns the time with a time zone"""

    def __init__(
        self,
        stored: StoredModel,
        uploads: Uploads,
        config: RecommendationServiceConfig,
        clock: Callable[[], datetime],
    ) -> None:
        self._model = stored.model
        known = np.flatnonzero(stored.model.vectors.any(axis=1)).tolist()
        self._trained_row = {stored.video_ids[row]: row for row in known}
        self._uploads = uploads
        self._config = config
        self._clock = clock

    async def recommend(self, watched: Sequence[str], most: int) -> RecommendationList:
        """Return the uploads that are nearest to a user. watched: ids, the last last; most: 0 for the default."""
        since = self._clock() - timedelta(days=self._config.kept_days)
        now = self._uploads.now
        vectors: list[FloatRows] = []
        uploads, unknown = list[int](), list[str]()
        for video_id in dict.fromkeys(watched):
            if (trained := self._trained_row.get(video_id)) is not None:
                vectors.append(self._model.vectors[trained])
            elif (upload := self._uploads.row_of(video_id)) is not None:
                vectors.append(now.vectors[upload])
                uploads.append(upload)
            else:
                unknown.append(video_id)

        def answer() -> list[Recommendation]:
            user = self._model.user(np.stack(vectors))
            return now.nearest(user, since, uploads, most or self._config.videos)

        found = await asyncio.to_thread(answer) if vectors else []
        return RecommendationList(tuple(found), tuple(unknown))
