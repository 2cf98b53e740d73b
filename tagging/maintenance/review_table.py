"""Review tables: proposals as a CSV whose column `accept` an editor fills in, and reading the accepted rows."""

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from tagging.errors import OutputExistsError, VideotagError
from tagging.files.atomic import atomic_text_file, require_file

T = TypeVar("T")
FORMULA = (
    "=",
    "+",
    "-",
    "@",
)  # a spreadsheet executes a cell that begins with one of these, and names are untrusted input
QUOTE = "'"  # put before such a cell, the spreadsheets' own escape


def require_new_table(path: Path) -> None:
    """Check, before the work that leads to a table, that it can be written and replaces nothing.

    Raises OutputExistsError if the path exists, as it may hold an editor's work, and OutputUnwritableError.
    """
    if os.path.lexists(path):
        raise OutputExistsError(f"{path} exists; proposals never replace a file", "choose another file, or remove it")
    require_file(path)


def write_table(
    path: Path, decision: Sequence[str], evidence: Sequence[str], proposals: Iterable[T], accepts: Callable[[T], bool]
) -> None:
    """Write one row per proposal: the columns that are read back, `accept` first, then `by`, then the evidence.

    For a proposal that the rule `accepts`, `accept` is yes and `by` is rule.
    """
    require_new_table(path)
    with atomic_text_file(path) as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow((*decision, "by", *evidence))
        for proposal in proposals:
            accept, by = ("yes", "rule") if accepts(proposal) else ("", "")
            decided = (cell(getattr(proposal, name)) for name in decision[1:])
            table.writerow((accept, *decided, by, *(cell(getattr(proposal, name)) for name in evidence)))


def accepted_rows(
    path: Path, decision: Sequence[str], error: type[VideotagError], command: str
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (location, column -> cell) for each row that is accepted.

    command: the command that writes such tables, for the hint
    Raises `error` for a file that is not such a table.
    """
    for location, row in _rows(path, decision, error, command):
        accept = row["accept"].strip().casefold()
        if accept not in ("yes", "no", ""):
            raise error(f"{location}: accept: expected yes, no or nothing, found {row['accept']!r}")
        if accept == "yes":
            yield location, row


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
                location = f"{path}: line {reader.line_num}"
                if cells and len(cells) != len(header):
                    raise error(f"{location}: expected {len(header)} cells as in the header, found {len(cells)}")
                if cells:
                    yield location, dict(zip(header, map(_unescaped, cells), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as cause:
        raise error(f"{path}: cannot be read: {cause}", "expected a CSV table in UTF-8") from cause


def cell(value: object) -> object:
    """Return a value as a table shows it: tuples joined, text on one line and escaped, floats rounded."""
    if isinstance(value, tuple):
        return cell(" ".join(map(str, value)))
    if isinstance(value, str):
        text = " ".join(value.split())  # a title may have several lines
        return QUOTE + text if text.startswith((QUOTE, *FORMULA)) else text
    return round(value, 3) if isinstance(value, float) else value


def _unescaped(text: str) -> str:
    return text[1:] if text.startswith(QUOTE) and text[1:].startswith((QUOTE, *FORMULA)) else text
