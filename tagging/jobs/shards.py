"""Shards of a manifest: consecutive rows that are tagged together and written as one part.

The rows of a manifest always fall into the same shards, so a shard's number names its part, and a part that exists is
the record that the shard is done. A shard ends when its rows fill it: a row with media counts more, because a shard's
decoded media are in memory together.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from tagging.errors import InvalidManifestError
from tagging.types import VideoRef

Row = VideoRef | InvalidManifestError  # of a manifest; the error where it cannot be read


@dataclass(frozen=True, slots=True)
class ShardSize:
    """The rows that fill a shard."""

    texts: int = 2000
    media: int = 32


@dataclass(frozen=True, slots=True)
class Shard:
    number: int  # from 0
    rows: tuple[Row, ...]

    @property
    def digest(self) -> str:
        """The hash of all rows: equal digests have equal rows in the same order."""
        return hashlib.sha256("".join(map(row_hash, self.rows)).encode("ascii")).hexdigest()[:32]


def cut(rows: Iterable[Row], size: ShardSize) -> Iterator[Shard]:
    """Yield the shards of a manifest; at least one, so that readers of the output find its columns."""
    waiting: list[Row] = []
    number, filled = 0, 0
    for row in rows:
        waiting.append(row)
        filled += size.texts if isinstance(row, VideoRef) and row.uri is not None else size.media
        if filled >= size.texts * size.media:
            yield Shard(number, tuple(waiting))
            waiting, filled, number = [], 0, number + 1
    if waiting or not number:
        yield Shard(number, tuple(waiting))


def shard_to_json(shard: Shard) -> str:
    """Return the form in which a driver hands a shard to its workers."""
    rows = [
        {"message": row.message, "hint": row.hint} if isinstance(row, InvalidManifestError) else asdict(row)
        for row in shard.rows
    ]
    return json.dumps({"number": shard.number, "rows": rows})


def shard_from_json(text: str | bytes) -> Shard:
    """Return the shard that `shard_to_json` wrote."""
    stored = json.loads(text)
    rows = (InvalidManifestError(**row) if "message" in row else VideoRef(**row) for row in stored["rows"])
    return Shard(stored["number"], tuple(rows))


def row_hash(row: Row) -> str:
    """Return the hash of everything in a manifest row that can change its result."""
    fields: tuple[str | None, ...]
    if isinstance(row, InvalidManifestError):
        fields = (row.message, row.hint)
    else:
        fields = (row.video_id, row.uri, row.title, row.description, row.uploader_id)
    return hashlib.sha256(json.dumps(fields).encode("ascii")).hexdigest()[:32]
