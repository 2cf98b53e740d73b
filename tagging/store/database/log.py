"""Append-only logs: tables whose rows are numbered in commit order, so that a reader that resumes after the last number
it saw misses none.

A database sequence does not guarantee that: it may hand out 7 before 8 and 8 may commit first; a reader that has seen 8
never asks for 7. Here a row of `log_ends` holds the last number, and a writer locks it until the end of its
transaction. Rows become visible in the order of their numbers, at the price of one writer at a time per log.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from sqlalchemy import Connection, RowMapping, Select, Table, insert, select, update

from tagging.errors import DatabaseMismatchError, InvalidRecordError, OvertakenError
from tagging.store.database.database import Database
from tagging.store.database.schema import log_ends
from tagging.store.database.texts import ID_BYTES, require_client_name, require_text, require_time
from tagging.types import Numbered, Origin

PAGE = 100


class Record(Protocol):
    """A frozen dataclass. A second record of the same request is a retry."""

    @property
    def origin(self) -> Origin | None: ...


T = TypeVar("T", bound=Record)


class Log(ABC, Generic[T]):
    """One log. Each method also raises what Database raises, and DatabaseMismatchError for a row that is no record."""

    table: ClassVar[Table]

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, record: T, seen: int | None = None) -> Numbered[T]:
        """Append one record, as `append_all` does."""
        [entry] = await self.append_all([record], seen)
        return entry

    async def append_all(self, records: Sequence[T], seen: int | None = None) -> tuple[Numbered[T], ...]:
        """Append records in one transaction and return them with their numbers, once they are on the disk.

        Requests that appended them before get the stored records. seen: the last number that the records take into
        account; None: they depend on no other record.
        Raises OvertakenError if other records were appended after `seen`, InvalidRecordError if a request appended
        something else before or a record contradicts the log, ValueError for a record without an origin, or with a
        time outside the supported range; then nothing is appended.
        """
        rows = [self._row(record) for record in records]

        def work(connection: Connection) -> tuple[Numbered[T], ...]:
            last = lock_end(connection, self.table)
            stored = [entry for record in records if (entry := self._stored(connection, record)) is not None]
            if stored and len(stored) == len(records):
                return tuple(stored)
            if stored:
                earlier = _origin_of(stored[0].record).request_id
                raise InvalidRecordError(
                    f"request {earlier!r} was stored before, but not the other records of this call",
                    "give each request an id of its own",
                )
            if seen is not None and seen < last:
                raise OvertakenError(f"{self.table.name} ends at {last}, not at {seen}", "read on, then try again")
            entries = []
            for number, (record, row) in enumerate(zip(records, rows, strict=True), last + 1):
                self._check(connection, record)
                connection.execute(insert(self.table).values(number=number, **row))
                entries.append(Numbered(number, record))
            set_end(connection, self.table, last + len(entries))
            return tuple(entries)

        return await self._database.write(work)

    async def of_request(self, request_id: str) -> Numbered[T] | None:
        """Return the record that a request appended, or None."""
        return await self._database.read(lambda connection: self._of_request(connection, request_id))

    async def after(self, number: int, limit: int = PAGE) -> tuple[Numbered[T], ...]:
        """Return the first entries after a number, in order; empty at the end of the log."""
        statement = select(self.table).where(self.table.c.number > number).order_by(self.table.c.number).limit(limit)
        return await self._database.read(
            lambda connection: tuple(map(self._entry, connection.execute(statement).mappings()))
        )

    async def all_after(self, number: int = 0) -> AsyncIterator[Numbered[T]]:
        """Yield every entry after a number, in order, with one page in memory at a time."""
        while page := await self.after(number):
            for entry in page:
                yield entry
            number = page[-1].number

    async def last(self) -> int:
        """Return the number of the last entry; 0 for an empty log."""
        return await self._database.read(lambda connection: int(connection.execute(_end(self.table)).scalar_one()))

    @abstractmethod
    def _content(self, record: T) -> Mapping[str, Any]:
        """Return the table's columns, without the number and the origin. Raises InvalidRecordError."""

    @abstractmethod
    def _record(self, row: RowMapping, origin: Origin) -> T:
        """Return the record of a row."""

    def _check(self, connection: Connection, record: T) -> None:
        """Raise InvalidRecordError for a record that contradicts the log, while no other writer can append."""

    def _row(self, record: T) -> dict[str, Any]:
        """Return the table's columns, without the number."""
        origin = _origin_of(record)
        require_text("request_id", origin.request_id, ID_BYTES)
        require_client_name(origin.client)
        require_time(origin.at)
        made_by = {"request_id": origin.request_id, "who": origin.client, "at": origin.at}
        return {**self._content(record), **made_by}

    def _stored(self, connection: Connection, record: T) -> Numbered[T] | None:
        """Return the record that this request appended before. Raises InvalidRecordError if it is a different one."""
        origin = _origin_of(record)
        stored = self._of_request(connection, origin.request_id)
        if stored is not None:
            sent_at = replace(_origin_of(stored.record), at=origin.at)
            if replace(stored.record, origin=sent_at) != record:  # type: ignore[type-var]
                raise InvalidRecordError(
                    f"request {origin.request_id!r} stored something else before", "give each request an id of its own"
                )
        return stored

    def _of_request(self, connection: Connection, request_id: str) -> Numbered[T] | None:
        statement = select(self.table).where(self.table.c.request_id == request_id)
        row = connection.execute(statement).mappings().one_or_none()
        return self._entry(row) if row else None

    def _entry(self, row: RowMapping) -> Numbered[T]:
        try:
            return Numbered(row["number"], self._record(row, Origin(row["request_id"], row["who"], row["at"])))
        except (InvalidRecordError, TypeError, ValueError) as error:
            raise DatabaseMismatchError(
                f"entry {row['number']} of {self.table.name} cannot be read: {error}",
                "a newer version of videotag wrote it: run that version, or restore a backup",
            ) from error


def lock_end(connection: Connection, table: Table) -> int:
    """Return the last number of a log, and lock out its other writers until the end of the transaction."""
    return int(connection.execute(_end(table).with_for_update()).scalar_one())


def set_end(connection: Connection, table: Table, last: int) -> None:
    """Set the last number of a log whose end is locked."""
    connection.execute(update(log_ends).where(log_ends.c.log == table.name).values(last=last))


def _end(table: Table) -> Select[Any]:
    return select(log_ends.c.last).where(log_ends.c.log == table.name)


def _origin_of(record: Record) -> Origin:
    if record.origin is None:
        raise ValueError("a record without an origin cannot be stored")
    return record.origin
