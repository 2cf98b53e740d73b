"""Logs: rows of rising number, of which a reader that goes on from the last number it saw misses none.

A sequence does not do that: it may give 7 before 8, and 8 be committed first; a reader that saw 8 never asks for 7.
Here a row of `log_ends` holds the last number, and who appends locks it until the end of the transaction. So rows are
seen in the order of their numbers, at the price of one writer at a time a log.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from sqlalchemy import Connection, RowMapping, Select, Table, insert, select, update

from tagging.errors import DatabaseMismatchError, InvalidRecordError, OvertakenError
from tagging.store.database.database import Database
from tagging.store.database.schema import log_ends

PAGE = 100


class Record(Protocol):
    """A frozen dataclass. A second one of the same request is the same one sent again."""

    @property
    def request_id(self) -> str: ...

    @property
    def at(self) -> datetime: ...


T = TypeVar("T", bound=Record)


@dataclass(frozen=True, slots=True)
class Numbered(Generic[T]):
    number: int  # from 1
    record: T


class Log(ABC, Generic[T]):
    """One log; Database says what each method raises besides, DatabaseMismatchError who reads what is no record."""

    table: ClassVar[Table]

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, record: T, seen: int | None = None) -> Numbered[T]:
        """As `append_all`, of one record."""
        [entry] = await self.append_all([record], seen)
        return entry

    async def append_all(self, records: Sequence[T], seen: int | None = None) -> tuple[Numbered[T], ...]:
        """The records with their numbers, all on the disk; what the same requests appended earlier, if they did.

        seen: the last number that the records take into account; None: they rest on no other.
        Raises OvertakenError where others were appended after `seen`, and InvalidRecordError where the request
        appended something else, or something that contradicts the log; then nothing is appended.
        """

        def work(connection: Connection) -> tuple[Numbered[T], ...]:
            last = self._lock(connection)
            stored = [entry for one in records if (entry := self._stored(connection, one)) is not None]
            if stored and len(stored) == len(records):
                return tuple(stored)
            if stored:
                raise InvalidRecordError(
                    f"request {stored[0].record.request_id!r} was stored before, and others beside it were not",
                    "give each request an id of its own",
                )
            if seen is not None and seen < last:
                raise OvertakenError(f"{self.table.name} ends at {last}, not at {seen}", "read on, then try again")
            entries = []
            for number, record in enumerate(records, last + 1):
                self._check(connection, record)
                connection.execute(insert(self.table).values(number=number, **self._row(record)))
                entries.append(Numbered(number, record))
            end = update(log_ends).where(log_ends.c.log == self.table.name)
            connection.execute(end.values(last=last + len(entries)))
            return tuple(entries)

        return await self._database.write(work)

    async def of_request(self, request_id: str) -> Numbered[T] | None:
        """What a request appended."""
        return await self._database.read(lambda connection: self._of_request(connection, request_id))

    async def after(self, number: int, limit: int = PAGE) -> tuple[Numbered[T], ...]:
        """The first entries of a higher number, by number; none where the log has ended."""
        statement = self._select().where(self.table.c.number > number).order_by(self.table.c.number).limit(limit)
        return await self._database.read(
            lambda connection: tuple(map(self._entry, connection.execute(statement).mappings()))
        )

    async def all_after(self, number: int = 0) -> AsyncIterator[Numbered[T]]:
        """Every entry of a higher number, by number; a page of them is in memory at a time."""
        while page := await self.after(number):
            for entry in page:
                yield entry
            number = page[-1].number

    async def last(self) -> int:
        """The number of the last entry; 0 where there is none."""
        return await self._database.read(lambda connection: int(connection.execute(self._end()).scalar_one()))

    @abstractmethod
    def _row(self, record: T) -> Mapping[str, Any]:
        """The table's columns, without the number."""

    @abstractmethod
    def _record(self, row: RowMapping) -> T: ...

    def _select(self) -> Select[Any]:
        return select(self.table)

    def _comparable(self, record: T) -> T:
        """Without what was not given when it was appended."""
        return record

    def _check(self, connection: Connection, record: T) -> None:
        """Raises InvalidRecordError for a record that the log does not take; nobody else appends meanwhile."""

    def _lock(self, connection: Connection) -> int:
        """The last number. Until the transaction ends nobody else gives one."""
        return int(connection.execute(self._end().with_for_update()).scalar_one())

    def _end(self) -> Select[Any]:
        return select(log_ends.c.last).where(log_ends.c.log == self.table.name)

    def _stored(self, connection: Connection, record: T) -> Numbered[T] | None:
        """What its request appended before; InvalidRecordError where that is something else."""
        stored = self._of_request(connection, record.request_id)
        if stored is not None and replace(self._comparable(stored.record), at=record.at) != record:  # type: ignore[type-var]
            raise InvalidRecordError(
                f"request {record.request_id!r} stored something else before", "give each request an id of its own"
            )
        return stored

    def _of_request(self, connection: Connection, request_id: str) -> Numbered[T] | None:
        statement = self._select().where(self.table.c.request_id == request_id)
        row = connection.execute(statement).mappings().one_or_none()
        return self._entry(row) if row else None

    def _entry(self, row: RowMapping) -> Numbered[T]:
        try:
            return Numbered(row["number"], self._record(row))
        except (InvalidRecordError, TypeError, ValueError) as error:
            raise DatabaseMismatchError(
                f"entry {row['number']} of {self.table.name} cannot be read: {error}",
                "a newer version of videotag wrote it: run that one, or restore a backup",
            ) from error
