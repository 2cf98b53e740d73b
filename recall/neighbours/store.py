"""All that the channels of labelled videos go by, and how a video joins and leaves it as one."""

import threading
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recall.model import text_of
from recall.neighbours.search import TextSearch, VideoSearch
from recall.neighbours.table import LabelledTable
from tagging.types import VideoEmbeddings


class NeighbourStore:
    """Safe to use from several threads: channels never wait, changes wait for each other.

    A video that joins is known to `voters` before any search finds it; one that leaves is still known there, for who
    has found it already.
    """

    def __init__(self, voters: LabelledTable, near: Mapping[str, VideoSearch], texts: TextSearch | None) -> None:
        """near: by channel; texts: of every voter, None where no n-grams were learnt"""
        if texts is not None and len(texts) != len(voters):
            raise ValueError(f"texts of {len(texts)} videos, voters {len(voters)}")
        for channel, one in near.items():
            if not one.rows_within(len(voters)):
                raise ValueError(f"{channel}: rows of other videos than the {len(voters)} there are")
        self.voters = voters
        self.near = near
        self.texts = texts
        self._changing = threading.Lock()

    def add(self, video_id: str, video: VideoEmbeddings, tag_rows: NDArray[np.int64]) -> None:
        """In place of the video of that id, where there is one. Views that no channel looks at are left alone.

        ValueError for an embedding of another width than its channel's; nothing has changed then.
        """
        views = {channel: one for channel, one in self.near.items() if one.view in video.rows}
        for one in views.values():
            one.check(video.rows[one.view])
        with self._changing:
            before = self.voters.row_of(video_id)
            row = self.voters.add(video_id, video.title, video.uploader_id, tag_rows)
            if self.texts is not None:
                self.texts.add(text_of(video))
            for one in views.values():
                one.add(row, video.rows[one.view])
            if before is not None:
                self._remove(before)

    def remove(self, video_id: str) -> bool:
        """Whether the video was there."""
        with self._changing:
            row = self.voters.row_of(video_id)
            if row is not None:
                self._remove(row)
        return row is not None

    def _remove(self, row: int) -> None:
        for one in self.near.values():
            one.remove(row)
        if self.texts is not None:
            self.texts.remove(row)
        self.voters.remove(row)
