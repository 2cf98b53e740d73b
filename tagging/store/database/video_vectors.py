"""Table of the vectors of new videos: those that a recommendation model made of videos which came after its training.

Rows are numbered by their last write in commit order (log.py), so that a reader that resumes after the last number it
saw misses none; a video that is put again gets a new number.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
from sqlalchemy import Connection, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from tagging.errors import DatabaseMismatchError
from tagging.store.database.database import Database
from tagging.store.database.log import lock_end, set_end
from tagging.store.database.schema import video_vectors
from tagging.store.database.texts import ID_BYTES, require_text, require_time
from tagging.types import FloatRows

BATCH = 500  # videos of a transaction
STORED = np.dtype("<f4")


@dataclass(frozen=True, slots=True, eq=False)
class VectorPage:
    """Some videos in the order of their numbers."""

    video_ids: tuple[str, ...]  # n
    vectors: FloatRows  # (n, D) unit rows; zeros for a video of which nothing is known
    added_at: tuple[datetime, ...]  # n, when each was first added
    last: int  # number of the last row


class VideoVectors:
    """The vectors of the videos of one model. Each method also raises what Database raises."""

    def __init__(self, database: Database, model_version: str, width: int) -> None:
        """width: D, of the model"""
        require_text("model_version", model_version)
        self._database = database
        self._model_version = model_version
        self._width = width

    async def put(self, video_ids: Sequence[str], vectors: FloatRows, at: datetime) -> None:
        """Replace the vectors of videos, in transactions of BATCH videos; a video that is known keeps its time.

        vectors: (n, D) unit rows; zeros for a video of which nothing is known
        Raises InvalidRecordError for a video id that cannot be stored, and ValueError for vectors of another width or
        not finite, before anything is written.
        """
        require_time(at)
        if vectors.shape != (len(video_ids), self._width) or not np.isfinite(vectors).all():
            raise ValueError(f"expected {len(video_ids)} finite vectors of {self._width}, found {vectors.shape}")
        for video_id in video_ids:
            require_text("video_id", video_id, ID_BYTES)
        rows = [
            {"model_version": self._model_version, "video_id": video_id, "vector": vector.tobytes(), "added_at": at}
            for video_id, vector in dict(zip(video_ids, vectors.astype(STORED), strict=True)).items()
        ]
        for start in range(0, len(rows), BATCH):
            await self._database.write(partial(_put, rows[start : start + BATCH]))

    async def after(self, number: int, limit: int) -> VectorPage | None:
        """Return the first videos of the model that were put after a number; None if there are none.

        Raises DatabaseMismatchError for a row that is no vector of the model.
        """
        columns = video_vectors.c
        statement = (
            select(columns.video_id, columns.vector, columns.added_at, columns.number)
            .where(columns.model_version == self._model_version, columns.number > number)
            .order_by(columns.number)
            .limit(limit)
        )
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        if not rows:
            return None
        video_ids, stored, added_at, numbers = zip(*rows, strict=True)
        return VectorPage(video_ids, self._vectors(video_ids, stored), added_at, numbers[-1])

    async def prune(self, before: datetime, limit: int) -> int:
        """Remove at most `limit` videos, of any model, that were added before a time; return their number."""
        columns = video_vectors.c
        key = tuple_(columns.model_version, columns.video_id)
        old = select(columns.model_version, columns.video_id).where(columns.added_at < before).limit(limit)

        def work(connection: Connection) -> int:
            lock_end(connection, video_vectors)  # as `put` does: neither waits for rows of the other
            return connection.execute(delete(video_vectors).where(key.in_(old))).rowcount

        return await self._database.write(work)

    def _vectors(self, video_ids: Sequence[str], stored: Sequence[bytes]) -> FloatRows:
        damaged = [row for row, vector in enumerate(stored) if len(vector) != self._width * STORED.itemsize]
        if not damaged:
            vectors = np.frombuffer(b"".join(stored), STORED).reshape(-1, self._width).astype(np.float32)
            damaged = np.flatnonzero(~np.isfinite(vectors).all(axis=1)).tolist()
        if damaged:
            raise DatabaseMismatchError(
                f"the vector of video {video_ids[damaged[0]]!r} is not {self._width} numbers", "add the video again"
            )
        return vectors


def _put(rows: Sequence[dict[str, Any]], connection: Connection) -> None:
    last = lock_end(connection, video_vectors)
    numbered = [{**row, "number": number} for number, row in enumerate(rows, last + 1)]
    connection.execute(_PUT[connection.dialect.name], numbered)
    set_end(connection, video_vectors, last + len(rows))


def _upsert(dialect: Any) -> Any:
    insert = dialect.insert(video_vectors)
    replaced = {"number": insert.excluded.number, "vector": insert.excluded.vector}
    return insert.on_conflict_do_update(index_elements=["model_version", "video_id"], set_=replaced)


_PUT = {name: _upsert(dialect) for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))}
