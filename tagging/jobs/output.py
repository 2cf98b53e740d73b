"""Output of a batch: for each shard one part of tagged videos and one of dead letters, under fixed names.

    OUT/tagged/part-00000.parquet …         a row per tagged video
    OUT/dead_letters/part-00000.parquet …   a row per video that could not be tagged; absent where all were
    OUT/features/part-00000.parquet …       what the encoders saw, with --keep-features
    OUT/diff/part-00000.parquet …           tags that changed, with --retag
    OUT/summary.json                        counts, rates and versions of the finished run
    OUT/_job.json, OUT/_lease…, OUT/_work…  the job, its drivers, and rows on their way to workers

Results and failures are in folders next to each other, so that a reader of one never finds the other. The dead letters
of a shard are written before its tagged videos, whose part records that the shard is done: work that is repeated after
a kill replaces itself.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from tagging.errors import ArtifactNotFoundError, InvalidResultsError
from tagging.files.storage import Storage
from tagging.jobs.shards import Shard, row_hash
from tagging.jobs.tables import DEAD_LETTERS, TAGGED, TableRow

_DIGEST, _TRANSIENT = b"videotag.shard", b"videotag.transient"


@dataclass(frozen=True, slots=True)
class Results:
    """The rows of a shard's tables, by the hash of the manifest row."""

    tagged: dict[str, TableRow] = field(default_factory=dict)
    dead: dict[str, TableRow] = field(default_factory=dict)

    @property
    def final(self) -> set[str]:
        """The manifest rows that no other run will try again."""
        return self.tagged.keys() | {row for row, letter in self.dead.items() if not letter["transient"]}

    def attempts(self, manifest_row: str) -> int:
        """Return in how many runs a manifest row failed."""
        return int(self.dead[manifest_row]["attempts"]) if manifest_row in self.dead else 0


@dataclass(frozen=True, slots=True)
class ShardCounts:
    """The rows of one finished shard, and the seconds that each stage of this run took for them."""

    number: int
    tagged: int
    dead_letters: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    done: int = 0  # rows that this run tagged or failed; the others had their result


Observe = Callable[[ShardCounts], None]


def unobserved(_: ShardCounts) -> None:
    """Do nothing with the counts of a shard."""


class BatchOutput:
    """The tables of one output address."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def finished(self, shard: Shard) -> ShardCounts | None:
        """Return the counts of a shard of which every row has its final result; None for any other."""
        name = part_name("tagged", shard.number)
        try:
            with self.storage.open(name) as file:
                part = _metadata(file, name)
        except ArtifactNotFoundError:
            return None
        about = part.metadata or {}
        if about.get(_DIGEST) != shard.digest.encode() or int(about.get(_TRANSIENT, b"1")):
            return None
        return ShardCounts(shard.number, part.num_rows, len(shard.rows) - part.num_rows)

    def earlier(self, number: int) -> Results:
        """Return the results of a shard as earlier runs left them."""
        tagged = {row["row_hash"]: row for row in self._rows("tagged", number)}
        dead = {row["row_hash"]: row for row in self._rows("dead_letters", number)}
        # A run that was killed between the two parts has left letters of rows whose former answer still stands.
        return Results(tagged, {row: letter for row, letter in dead.items() if row not in tagged})

    def write(self, shard: Shard, results: Results) -> ShardCounts:
        """Write the parts of a shard; results: of its every row."""
        hashes = [row_hash(row) for row in shard.rows]
        dead = [results.dead[row] for row in hashes if row in results.dead]
        tagged = [results.tagged[row] for row in hashes if row in results.tagged]
        if len(dead) + len(tagged) != len(hashes):
            raise ValueError(f"{len(hashes)} rows, {len(tagged)} tagged and {len(dead)} dead letters")
        letters = part_name("dead_letters", shard.number)
        if dead:
            self.storage.write(letters, _parquet(pa.Table.from_pylist(dead, DEAD_LETTERS)))
        else:
            self.storage.remove(letters)
        transient = sum(letter["transient"] for letter in dead)
        about = {_DIGEST: shard.digest.encode(), _TRANSIENT: str(transient).encode()}
        table = pa.Table.from_pylist(tagged, TAGGED).replace_schema_metadata(about)
        self.storage.write(part_name("tagged", shard.number), _parquet(table))
        return ShardCounts(shard.number, len(tagged), len(dead))

    def remove_from(self, number: int) -> int:
        """Remove the parts of this and all later shards, whose rows have left the manifest; return their number."""
        removed = 0
        for folder in ("tagged", "dead_letters", "features", "diff"):
            for found in part_numbers(self.storage, folder):
                if found >= number:
                    self.storage.remove(part_name(folder, found))
                    removed += folder == "tagged"
        return removed

    def _rows(self, folder: str, number: int) -> list[TableRow]:
        table = read_part(self.storage, folder, number)
        rows: list[TableRow] = [] if table is None else table.to_pylist()
        return rows


def part_name(folder: str, number: int) -> str:
    return f"{folder}/part-{number:05d}.parquet"


def part_numbers(storage: Storage, folder: str) -> list[int]:
    """Return the numbers of the parts in a folder, in order."""
    stems = (name.removeprefix("part-").removesuffix(".parquet") for name in storage.names(folder))
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def parts(storage: Storage, folder: str) -> Iterator[pa.Table]:
    """Yield the tables of a folder, in order."""
    for number in part_numbers(storage, folder):
        table = read_part(storage, folder, number)
        if table is not None:
            yield table


def read_part(storage: Storage, folder: str, number: int) -> pa.Table | None:
    """Return one part; None if there is none. Raises InvalidResultsError for a damaged one."""
    name = part_name(folder, number)
    try:
        content = storage.read(name)
    except ArtifactNotFoundError:
        return None
    try:
        return pq.read_table(io.BytesIO(content))
    except (OSError, pa.ArrowException) as error:
        raise _damaged(name, error) from error


def write_part(storage: Storage, folder: str, number: int, table: pa.Table) -> None:
    storage.write(part_name(folder, number), _parquet(table))


def _metadata(file: object, name: str) -> pq.FileMetaData:
    try:
        return pq.read_metadata(file)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(name, error) from error


def _damaged(name: str, error: Exception) -> InvalidResultsError:
    return InvalidResultsError(f"{name} cannot be read: {error}", "remove this file and run the batch again")


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
