"""Impressions by field as rows of embedding tables, and the vocabulary that numbers the rows.

The vocabulary is built from the training part alone: a value that is first seen later, or too rarely, is missing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.errors import NothingToLearnError
from tagging.ragged import Ragged, starts_of
from tagging.recommendation.clicks.table import ImpressionTable
from tagging.types import Indices

PADDING = 0  # row of every embedding table that stands for no value


@dataclass(frozen=True, slots=True, eq=False)
class Impressions:
    """n impressions by field."""

    fields: Mapping[str, Ragged]  # n lists of rows of the field's table, from 1; empty where missing
    users: Indices  # (n,) equal for the impressions of one user
    clicked: NDArray[np.bool_]  # (n,)

    def __post_init__(self) -> None:
        lengths = {len(self.users), len(self.clicked), *map(len, self.fields.values())}
        if len(lengths) != 1:
            raise ValueError(f"parts of different lengths: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.clicked)

    def only(self, rows: Indices) -> "Impressions":
        fields = {name: lists.only(rows) for name, lists in self.fields.items()}
        return Impressions(fields, self.users[rows], self.clicked[rows])


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """The rows of each field's embedding table; a field without any value in the training part is left out."""

    rows: Mapping[str, Mapping[str, int]]  # field -> value -> row, from 1

    @property
    def sizes(self) -> dict[str, int]:
        """Rows of each field's table, with the padding."""
        return {name: 1 + len(rows) for name, rows in self.rows.items()}

    def impressions(self, table: ImpressionTable) -> Impressions:
        """Return the impressions of a table; values that are not in the vocabulary are left out."""
        fields = {}
        for name, rows in self.rows.items():
            column = table.fields[name]
            row_of = np.array([rows.get(value, PADDING) for value in column.names], np.int64)
            found = row_of[column.rows.values]
            kept = found != PADDING
            fields[name] = Ragged(starts_of(kept)[column.rows.starts], found[kept])
        return Impressions(fields, table.users, table.clicked)


def build_vocabulary(table: ImpressionTable, training: Indices, fields: Sequence[str], min_count: int) -> Vocabulary:
    """Number the values that `min_count` or more impressions of the training part have.

    training: rows of the impressions that are learnt from; fields: names of columns of the table
    Raises NothingToLearnError if fewer than two fields have such a value.
    """
    rows: dict[str, dict[str, int]] = {}
    for name in fields:
        column = table.fields[name]
        counts = np.bincount(column.rows.only(training).values, minlength=len(column.names))
        frequent = np.flatnonzero(counts >= min_count).tolist()
        if frequent:
            rows[name] = {column.names[value]: row for row, value in enumerate(frequent, PADDING + 1)}
    if len(rows) < 2:
        raise NothingToLearnError(f"{len(rows)} fields have a value that {min_count} impressions share")
    return Vocabulary(rows)


def padded(lists: Ragged) -> Indices:
    """Return n lists of rows as (n, L), PADDING behind those shorter than the longest; L is at least 1."""
    lengths = np.diff(lists.starts)
    mask = np.arange(max(1, int(lengths.max(initial=0)))) < lengths[:, None]
    found = np.full(mask.shape, PADDING, np.int64)
    found[mask] = lists.values
    return found
