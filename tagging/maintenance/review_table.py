"""Proposals on disk for an editor to judge: a CSV whose column `accept` is filled in, and what was accepted in it."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from tagging.errors import OutputExistsError, VideotagError
from tagging.files.atomic import require_file, whole_text_file

T = TypeVar("T")
FORMULA = ("=", "+", "-", "@")  # a spreadsheet runs a cell that begins so, and names come from strangers
QUOTE = "'"  # before such a cell, as spreadsheets themselves have it


def require_new_table(path: Path) -> None:
    """Called before the work that leads to a table: OutputExistsError where something is, maybe an editor's work.

    OutputUnwritableError where none can be written.
    """
    if os.path.lexists(path):
        raise OutputExistsError(f"{path} exists; proposals are never written over", "choose another file, or remove it")
    require_file(path)


def write_table(
    path: Path, decision: Sequence[str], evidence: Sequence[str], proposals: Iterable[T], accepts: Callable[[T], bool]
) -> None:
    """One row a proposal: the columns that are read again, of them `accept` first, then `by` and the evidence.

    Where the rule accepts, `accept` says yes already and `by` says that it was the rule.
    """
    require_new_table(path)
    with whole_text_file(path) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow((*decision, "by", *evidence))
        for one in proposals:
            accept, by = ("yes", "rule") if accepts(one) else ("", "")
            judged = (cell(getattr(one, name)) for name in decision[1:])
            table.writerow((accept, *judged, by, *(cell(getattr(one, name)) for name in evidence)))


def accepted_rows(
    path: Path, decision: Sequence[str], error: type[VideotagError], command: str
) -> Iterator[tuple[str, dict[str, str]]]:
    """(place, column -> cell) of each row with a yes; `error` for a file that is no such table.

    command: that writes such tables
    """
    for place, row in _rows(path, decision, error, command):
        accept = row["accept"].strip().casefold()
        if accept not in ("yes", "no", ""):
            raise error(f"{place}: accept: expected yes, no or nothing, found {row['accept']!r}")
        if accept == "yes":
            yield place, row


def _rows(
    path: Path, decision: Sequence[str], error: type[VideotagError], command: str
) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            header = next(reader, [])
            if missing := [column for column in decision if column not in header]:
                raise error(
                    f"{path}: no column {missing[0]!r}; found {', '.join(header) or 'no columns'}",
                    f"`videotag {command} --out FILE` writes such a table",
                )
            for cells in reader:
                place = f"{path}: line {reader.line_num}"
                if cells and len(cells) != len(header):
                    raise error(f"{place}: expected {len(header)} cells as in the header, found {len(cells)}")
                if cells:
                    yield place, dict(zip(header, map(_unquoted, cells), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        raise error(f"{path}: cannot be read: {cause}", "expected a CSV table in UTF-8") from cause


def cell(value: object) -> object:
    if isinstance(value, tuple):
        return cell(" ".join(map(str, value)))
    if isinstance(value, str):
        text = " ".join(value.split())  # a title may have lines
        return QUOTE + text if text.startswith((QUOTE, *FORMULA)) else text
    return round(value, 3) if isinstance(value, float) else value


def _unquoted(cell: str) -> str:
    return cell[1:] if cell.startswith(QUOTE) and cell[1:].startswith((QUOTE, *FORMULA)) else cell
