"""Table of the labelled videos that vote: the videos of a bundle, then the ones added while serving.

A row is never used twice and its content never changes, so a row number may be looked up at any time, also after its
video was removed. One thread changes the table at a time; any number may read meanwhile.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from tagging.ragged import Ragged
from tagging.types import Indices


class LabelledTable:
    """Columns by row, initially of V videos."""

    def __init__(
        self,
        ids: Sequence[str],
        titles: Sequence[str],
        uploader_ids: Sequence[str | None],
        uploaders: Indices,
        tags: Ragged,
    ) -> None:
        """uploaders: (V,) equal numbers for videos of one uploader"""
        self._base = len(tags)
        self._ids = list(ids)
        self._titles = list(titles)
        self._uploader_ids = list(uploader_ids)
        self._base_tags, self._added_tags = tags, list[Indices]()
        self._base_uploaders, self._added_uploaders = uploaders, list[int]()
        self._next_uploader = int(uploaders.max(initial=-1)) + 1
        self._live = np.ones(self._base, np.bool_)

    def __len__(self) -> int:
        """Return the number of rows, removed videos included."""
        return self._base + len(self._added_tags)

    def tags_of(self, rows: Indices) -> Ragged:
        """Return the tags of n rows, in their order."""
        if (rows < self._base).all():
            return self._base_tags.only(rows)
        return Ragged.of(
            [
                self._base_tags.at(row) if row < self._base else self._added_tags[row - self._base]
                for row in rows.tolist()
            ]
        )

    def uploaders_of(self, rows: Indices) -> Indices:
        """Return numbers (n,), equal for videos of one uploader; a video without uploader has its own."""
        numbers = np.empty(len(rows), np.int64)
        added = rows >= self._base
        numbers[~added] = self._base_uploaders[rows[~added]]
        numbers[added] = [self._added_uploaders[row] for row in (rows[added] - self._base).tolist()]
        return numbers

    def id_of(self, row: int) -> str:
        return self._ids[row]

    def title_of(self, row: int) -> str:
        return self._titles[row]

    def uploader_of(self, row: int) -> str | None:
        return self._uploader_ids[row]

    def row_of(self, video_id: str) -> int | None:
        """Return the row of a video; None for an unknown or removed one."""
        return self._by_id.get(video_id)

    def rows_of(self, uploader_id: str) -> tuple[int, ...]:
        """Return the rows of the videos of an uploader, without removed ones."""
        return self._by_uploader.get(uploader_id, ())

    def live(self) -> Indices:
        """Return the rows of the videos that were not removed, ascending."""
        return np.flatnonzero(self._live)

    def add(self, video_id: str, title: str, uploader_id: str | None, tag_rows: Indices) -> int:
        """Add a video and return its row."""
        row = len(self)
        known = self.rows_of(uploader_id) if uploader_id is not None else ()
        if known:
            [number] = self.uploaders_of(np.array(known[:1])).tolist()
        else:
            number, self._next_uploader = self._next_uploader, self._next_uploader + 1
        by_id, by_uploader = self._by_id, self._by_uploader  # both are built before the row exists
        self._ids.append(video_id)
        self._titles.append(title)
        self._uploader_ids.append(uploader_id)
        self._added_uploaders.append(number)
        self._added_tags.append(tag_rows)
        self._live = np.append(self._live, True)
        by_id[video_id] = row
        if uploader_id is not None:
            by_uploader[uploader_id] = (*known, row)
        return row

    def remove(self, row: int) -> None:
        """Remove the video of a row that was not removed yet."""
        live = self._live.copy()
        live[row] = False
        self._live = live
        if self._by_id.get(self._ids[row]) == row:
            del self._by_id[self._ids[row]]
        uploader_id = self._uploader_ids[row]
        if uploader_id is not None:
            self._by_uploader[uploader_id] = tuple(other for other in self._by_uploader[uploader_id] if other != row)

    @cached_property
    def _by_id(self) -> dict[str, int]:  # built on first use: a million ids take memory
        return {video_id: row for row, video_id in enumerate(self._ids)}

    @cached_property
    def _by_uploader(self) -> dict[str, tuple[int, ...]]:
        rows: dict[str, list[int]] = {}
        for row, uploader_id in enumerate(self._uploader_ids):
            if uploader_id is not None:
                rows.setdefault(uploader_id, []).append(row)
        return {uploader_id: tuple(own) for uploader_id, own in rows.items()}
