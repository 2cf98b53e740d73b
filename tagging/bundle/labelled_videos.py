"""Labelled videos of a bundle: the table of the videos that take part in neighbour voting."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tagging.files.tables import numbers, read_table
from tagging.ragged import Ragged
from tagging.types import VideoRef


@dataclass(frozen=True, slots=True, eq=False)
class LabelledVideos:
    """V labelled videos: id and title, which evidence shows, uploader, and tags."""

    ids: tuple[str, ...]
    titles: tuple[str, ...]
    uploader_ids: tuple[str | None, ...]
    tags: Ragged

    def __post_init__(self) -> None:
        lengths = {len(self.ids), len(self.titles), len(self.uploader_ids), len(self.tags)}
        if len(lengths) != 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")

    @classmethod
    def of(cls, videos: Sequence[VideoRef], tags: Ragged) -> "LabelledVideos":
        return cls(
            tuple(video.video_id for video in videos),
            tuple(video.title for video in videos),
            tuple(video.uploader_id for video in videos),
            tags,
        )

    def uploader_numbers(self) -> NDArray[np.int64]:
        """Return (V,) numbers that are equal for videos of one uploader; a video without one has its own number."""
        return uploader_numbers(self.uploader_ids)

    def only(self, rows: NDArray[np.int64]) -> "LabelledVideos":
        """Return the videos of these rows, in their order."""
        return LabelledVideos(
            tuple(self.ids[row] for row in rows),
            tuple(self.titles[row] for row in rows),
            tuple(self.uploader_ids[row] for row in rows),
            self.tags.only(rows),
        )

    def save(self, path: Path) -> None:
        starts = pa.array(self.tags.starts, pa.int64())
        table = pa.table(
            {
                "video_id": pa.array(self.ids, pa.string()),
                "title": pa.array(self.titles, pa.string()),
                "uploader_id": pa.array(self.uploader_ids, pa.string()),
                "tag_rows": pa.LargeListArray.from_arrays(starts, pa.array(self.tags.values, pa.int32())),
            }
        )
        pq.write_table(table, path)

    @classmethod
    def load(cls, path: Path) -> "LabelledVideos":
        table = read_table(path)
        lists = table["tag_rows"].combine_chunks()
        starts = numbers(lists.offsets).astype(np.int64)
        return cls(
            ids=tuple(table["video_id"].to_pylist()),
            titles=tuple(table["title"].to_pylist()),
            uploader_ids=tuple(table["uploader_id"].to_pylist()),
            tags=Ragged(starts, numbers(lists.values).astype(np.int64)),
        )


def uploader_numbers(uploader_ids: Sequence[str | None]) -> NDArray[np.int64]:
    """Return (V,) numbers that are equal for videos of one uploader; a video without one has its own number."""
    numbers: dict[object, int] = {}
    keys = ((row,) if uploader is None else uploader for row, uploader in enumerate(uploader_ids))
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)
