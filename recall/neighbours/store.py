"""Neighbour store: the labelled videos that the neighbour channels search, with atomic additions and removals."""

import threading
from collections.abc import Mapping

from recall.neighbours.search import VideoSearch
from recall.neighbours.table import LabelledTable
from recall.neighbours.text_search import TextSearch
from recall.query import RecallQuery
from tagging.types import Indices


class NeighbourStore:
    """The table of labelled videos and the searches over it; safe to use from several threads.

    Channels never wait; changes wait for each other. `table` holds an added video before any search finds it, and keeps
    a removed one for callers that have already found it.
    """

    def __init__(self, table: LabelledTable, searches: Mapping[str, VideoSearch], texts: TextSearch | None) -> None:
        """Combine a table with the searches over its rows.

        searches: by channel
        texts:    search over the texts of all videos of the table; None without fitted n-grams
        Raises ValueError if a search refers to rows that the table does not have.
        """
        if texts is not None and len(texts) != len(table):
            raise ValueError(f"texts of {len(texts)} videos, a table of {len(table)}")
        for channel, search in searches.items():
            if not search.rows_within(len(table)):
                raise ValueError(f"{channel}: rows of other videos than the {len(table)} of the table")
        self.table = table
        self.searches = searches
        self.texts = texts
        self._changing = threading.Lock()

    def add(self, video_id: str, query: RecallQuery, tag_rows: Indices) -> None:
        """Add a video, replacing the video of that id if there is one. Views that no channel searches are ignored.

        Raises ValueError, and changes nothing, if the width of an embedding differs from that of its channel.
        """
        searches = [search for search in self.searches.values() if search.view in query.rows]
        for search in searches:
            search.check(query.rows[search.view])
        with self._changing:
            before = self.table.row_of(video_id)
            row = self.table.add(video_id, query.video.title, query.video.uploader_id, tag_rows)
            if self.texts is not None:
                self.texts.add(query.ngrams)
            for search in searches:
                search.add(row, query.rows[search.view])
            if before is not None:
                self._remove(before)

    def remove(self, video_id: str) -> bool:
        """Remove a video; return whether it was there."""
        with self._changing:
            row = self.table.row_of(video_id)
            if row is not None:
                self._remove(row)
        return row is not None

    def _remove(self, row: int) -> None:
        for search in self.searches.values():
            search.remove(row)
        if self.texts is not None:
            self.texts.remove(row)
        self.table.remove(row)
