"""Table of impressions: which videos were shown to which users, and which of them were clicked.

A table is JSONL, CSV or parquet with `user_id`, `video_id`, `clicked` (1 or 0, true or false), `time` (a number that
orders the impressions), and further columns, which are read by name. A field has one value or several: a list, or a
text with the values joined by `|`. An empty cell is a missing value.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tagging.errors import InvalidManifestError
from tagging.manifests.formats import read_rows
from tagging.manifests.source import ManifestSource
from tagging.manifests.values import FieldError, id_of, is_missing, shown
from tagging.ragged import Ragged

USER = "user_id"
VIDEO = "video_id"
CLICKED = "clicked"
TIME = "time"
REQUIRED = (USER, VIDEO, CLICKED, TIME)
_TRUTHS = {"1": True, "0": False, "true": True, "false": False}


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """The values of one field in n impressions."""

    names: tuple[str, ...]  # the distinct values, in the order of their first occurrence
    rows: Ragged  # n lists of positions in `names`


@dataclass(frozen=True, slots=True, eq=False)
class ImpressionTable:
    """n impressions by field; `user_id` and `video_id` are always among the fields."""

    fields: Mapping[str, Column]
    clicked: NDArray[np.bool_]  # (n,)
    times: NDArray[np.float64]  # (n,) in the table's own unit

    def __len__(self) -> int:
        return len(self.clicked)

    @property
    def users(self) -> NDArray[np.int64]:
        """(n,) equal for the impressions of one user."""
        return self.fields[USER].rows.values


def read_impressions(path: Path, fields: Sequence[str]) -> ImpressionTable:
    """Read the required columns and the named fields.

    Raises InvalidManifestError for a table that lacks a column or has no row, and for a row that cannot be read.
    """
    source = ManifestSource(str(path))
    names = tuple(dict.fromkeys([USER, VIDEO, *fields]))
    builders = {name: _Builder(name) for name in names}
    clicked: list[bool] = []
    times: list[float] = []
    for location, record in read_rows(source, {name: name for name in (*REQUIRED, *names)}):
        if isinstance(record, InvalidManifestError):
            raise record
        try:
            for name, builder in builders.items():
                builder.add(_cell(record, name))
            clicked.append(_truth(record))
            times.append(_number(record))
        except FieldError as error:
            raise InvalidManifestError(
                f"{source}: {location}: {error}", f"expected columns {', '.join(REQUIRED)} and the named fields"
            ) from error
    if not clicked:
        raise InvalidManifestError(f"{source}: no impressions", f"give a table with columns {', '.join(REQUIRED)}")
    columns = {name: builder.column() for name, builder in builders.items()}
    return ImpressionTable(columns, np.array(clicked, np.bool_), np.array(times, np.float64))


class _Builder:
    """The column of a field, cell by cell. Most cells repeat, so each is parsed once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows: dict[str, int] = {}
        self._starts = [0]
        self._positions: list[int] = []
        self._parsed = lru_cache(maxsize=None, typed=True)(self._parse)  # typed: True == 1 is another value

    def add(self, cell: Any) -> None:
        self._positions.extend(self._parse(cell) if isinstance(cell, list | dict) else self._parsed(cell))
        self._starts.append(len(self._positions))

    def _parse(self, cell: Any) -> list[int]:
        return [self._rows.setdefault(value, len(self._rows)) for value in _values(cell, self._name)]

    def column(self) -> Column:
        return Column(tuple(self._rows), Ragged(np.array(self._starts), np.array(self._positions, np.int64)))


def _cell(record: Mapping[str, Any], name: str) -> Any:
    if name not in record:
        raise FieldError(f"no column {name!r}")
    return record[name]


def _values(cell: Any, name: str) -> list[str]:
    """Return the distinct values of a field; one for an id."""
    cells = cell.split("|") if isinstance(cell, str) else cell if isinstance(cell, list) else [cell]
    values = [value for value in dict.fromkeys(_value(part, name) for part in cells) if value.strip()]
    if name in (USER, VIDEO) and len(values) != 1:
        raise FieldError(f"{name}: expected one id, found {shown(cell)}")
    return values


def _value(cell: Any, name: str) -> str:
    if isinstance(cell, bool) or (isinstance(cell, float) and math.isfinite(cell) and cell != int(cell)):
        return str(cell)
    return id_of(cell, name)


def _truth(record: Mapping[str, Any]) -> bool:
    cell = record.get(CLICKED)
    truth = None if is_missing(cell) else _TRUTHS.get(str(cell).lower().removesuffix(".0"))
    if truth is None:
        raise FieldError(f"{CLICKED}: expected 1 or 0, found {shown(cell)}")
    return truth


def _number(record: Mapping[str, Any]) -> float:
    cell = record.get(TIME)
    try:
        number = math.nan if cell is None or isinstance(cell, bool) else float(cell)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise FieldError(f"{TIME}: expected a number, found {shown(cell)}")
    return number
