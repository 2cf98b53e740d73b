"""What this uploader usually puts on its videos; only where the caller says whose video it is.

A third of the tags that can be known at all are an uploader's habit. It says nothing of the video itself, so what is
measured with it is always reported apart.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recall.neighbours.table import LabelledTable
from tagging.types import ChannelTags, Evidence, VideoEmbeddings


class UploaderTags:
    """Tags by the share of the uploader's labelled videos that have them: n / (videos + 1)."""

    name = "uploader"

    def __init__(self, voters: LabelledTable, limit: int) -> None:
        self._voters = voters
        self._limit = limit

    def recall(self, videos: Sequence[VideoEmbeddings]) -> list[ChannelTags | None]:
        rows = [self._voters.rows_of(video.uploader_id) if video.uploader_id is not None else () for video in videos]
        return [self._recall(some) if some else None for some in rows]

    def _recall(self, rows: Sequence[int]) -> ChannelTags:
        voted: NDArray[np.int64] = np.concatenate([self._voters.tags_of(row) for row in rows])
        tags, counts = np.unique(voted, return_counts=True)
        best = np.lexsort((tags, -counts))[: self._limit]
        scores = (counts[best] / (len(rows) + 1)).astype(np.float32)
        evidence = tuple(
            Evidence(
                self.name, "uploader", float(score), text=f"on {count} of the uploader's {len(rows)} labelled videos"
            )
            for score, count in zip(scores, counts[best].tolist(), strict=True)
        )
        return ChannelTags(tags[best], scores, evidence=evidence)
