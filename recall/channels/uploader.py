"""Uploader channel: the tags that an uploader uses most; needs the `uploader_id` of the query.

These tags are habits of the uploader and do not depend on the content of the video, so metrics with this channel are
always reported separately.
"""

from collections.abc import Sequence

import numpy as np

from recall.channels.base import UneditedChannel
from recall.neighbours.table import LabelledTable
from recall.query import RecallQuery
from recall.topk import top_k
from tagging.types import ChannelTags, Evidence


class UploaderTags(UneditedChannel):
    """Tags by the share of the uploader's labelled videos that have them: n / (videos + 1)."""

    name = "uploader"

    def __init__(self, table: LabelledTable, limit: int) -> None:
        self._table = table
        self._limit = limit

    def recall(self, queries: Sequence[RecallQuery]) -> list[ChannelTags | None]:
        rows = map(self._video_rows, queries)
        return [self._recall(video_rows) if video_rows else None for video_rows in rows]

    def _video_rows(self, query: RecallQuery) -> list[int]:
        uploader = query.video.uploader_id
        rows = () if uploader is None else self._table.rows_of(uploader)
        return [row for row in rows if row not in query.left_out]

    def _recall(self, video_rows: Sequence[int]) -> ChannelTags:
        tags, counts = np.unique(self._table.tags_of(np.array(video_rows)).values, return_counts=True)
        best = top_k(counts, tags, self._limit)
        scores = (counts[best] / (len(video_rows) + 1)).astype(np.float32)
        videos = len(video_rows)
        evidence = tuple(
            Evidence(self.name, "uploader", float(score), text=f"on {count} of the uploader's {videos} labelled videos")
            for score, count in zip(scores, counts[best].tolist(), strict=True)
        )
        return ChannelTags(tags[best], scores, evidence=evidence)
