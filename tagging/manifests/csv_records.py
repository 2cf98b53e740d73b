"""CSV records with recovery: a damaged row is reported with its line number, and reading continues on the next line.

The csv module gives up at the first error, and a stray quote makes it read the following rows as one cell. So each
record is parsed on its own: if a record is malformed, only its first line is bad, and the lines that the record had
swallowed are read again.
"""

import csv
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

RECORD_CHARS = 1 << 26  # a longer record is an open quote, not a description


class BadRecordError(ValueError):
    """A malformed record; the message states the expected and the found."""


@dataclass(frozen=True, slots=True)
class CsvRecord:
    """The cells of one record, or the reason why they cannot be read."""

    line: int  # number of its first line, from 1
    cells: Sequence[str] | BadRecordError


def read_records(lines: Iterable[str]) -> Iterator[CsvRecord]:
    """Yield the header and the records after it, without empty lines.

    lines: with their line ends, as `open(newline="", errors="surrogateescape")` yields them. A record with a byte that
    is not UTF-8, a NUL character, a misplaced quote, or another number of cells than the header is malformed.
    """
    csv.field_size_limit(sys.maxsize)  # a description may be longer than the 128 KiB that csv allows
    source = _Lines(lines)
    width: int | None = None
    while source.start():
        line = source.number
        try:
            cells = _parse(source)
            if not cells:
                continue
            if width is not None:
                _check(cells, width)
        except BadRecordError as error:
            source.rewind()
            yield CsvRecord(line, error)
        else:
            width = width or len(cells)
            yield CsvRecord(line, cells)


class _Lines:
    """The lines of a file; the lines of the current record, except the first, can be read again."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._file = iter(lines)
        self._again: deque[str] = deque()
        self._record: list[str] = []
        self.number = 0  # of the first line of the record

    def start(self) -> bool:
        """Begin a record; return False at the end of the file."""
        self.number += len(self._record) or 1
        self._record = []
        first = self._next()
        if first is not None:
            self._again.appendleft(first)
        return first is not None

    def record(self) -> Iterator[str]:
        """Yield the lines of the record, as far as they are needed."""
        size = 0
        while (line := self._next()) is not None:
            self._record.append(line)
            size += len(line)
            if size > RECORD_CHARS:
                raise BadRecordError(f"expected at most {RECORD_CHARS} characters in a row; a quote is not closed")
            yield line

    def rewind(self) -> None:
        """Give back all lines of the record but the first."""
        self._again.extendleft(reversed(self._record[1:]))
        del self._record[1:]

    def _next(self) -> str | None:
        return self._again.popleft() if self._again else next(self._file, None)


def _parse(source: _Lines) -> list[str]:
    try:
        return next(csv.reader(source.record(), strict=True), [])
    except csv.Error as error:
        raise BadRecordError(f"not CSV: {error}; write a quote inside a quoted cell twice") from error


def _check(cells: Sequence[str], width: int) -> None:
    if len(cells) != width:
        raise BadRecordError(f"expected {width} cells as in the header, found {len(cells)}")
    text = "".join(cells)
    if "\0" in text:
        raise BadRecordError("expected text, found a NUL character")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:  # surrogateescape turned the byte 0xe9 into U+DCE9
        byte = ord(text[error.start]) - 0xDC00
        raise BadRecordError(f"expected UTF-8, found the byte 0x{byte:02x}") from error
