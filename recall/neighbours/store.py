"""Neighbour store: the labelled videos behind the neighbour channels, with atomic additions and removals."""

import threading
from collections.abc import Mapping

from recall.neighbours.search import TextSearch, VideoSearch
from recall.neighbours.table import LabelledTable
from recall.query import RecallQuery
from tagging.types import Indices


class NeighbourStore:
    """Table and searches of labelled videos; safe to use from several threads.

    Channels never wait; changes wait for each other. `voters` has an added video before any search finds it, and still
    has a removed one, for a caller that has found it already.
    """

    def __init__(self, voters: LabelledTable, searches: Mapping[str, VideoSearch], texts: TextSearch | None) -> None:
        """Join the searches of one table.

        searches: by channel
        texts:    of every voter; None without fitted n-grams
        Raises ValueError where a search is not of these voters.
        """
        if texts is not None and len(texts) != len(voters):
            raise ValueError(f"texts of {len(texts)} videos, voters {len(voters)}")
        for channel, search in searches.items():
            if not search.rows_within(len(voters)):
                raise ValueError(f"{channel}: rows of other videos than the {len(voters)} of the table")
        self.voters = voters
        self.searches = searches
        self.texts = texts
        self._changing = threading.Lock()

    def add(self, video_id: str, query: RecallQuery, tag_rows: Indices) -> None:
        """Add a video, in place of the video of that id if there is one. Views that no channel searches are ignored.

        Raises ValueError for an embedding of another width than its channel's, and changes nothing then.
        """
        searches = [search for search in self.searches.values() if search.view in query.rows]
        for search in searches:
            search.check(query.rows[search.view])
        with self._changing:
            before = self.voters.row_of(video_id)
            row = self.voters.add(video_id, query.video.title, query.video.uploader_id, tag_rows)
            if self.texts is not None:
                self.texts.add(query.video.text)
            for search in searches:
                search.add(row, query.rows[search.view])
            if before is not None:
                self._remove(before)

    def remove(self, video_id: str) -> bool:
        """Remove a video; return whether it was there."""
        with self._changing:
            row = self.voters.row_of(video_id)
            if row is not None:
                self._remove(row)
        return row is not None

    def _remove(self, row: int) -> None:
        for search in self.searches.values():
            search.remove(row)
        if self.texts is not None:
            self.texts.remove(row)
        self.voters.remove(row)
