"""Prefix search over the spellings of a tag catalog, for an editor who adds a tag."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.inspection.review.decisions import JudgedTag
from tagging.tags.catalog import TagCatalog
from tagging.text.normalise import normalise

LAST = "\U0010ffff"  # sorts after every character of a spelling


@dataclass(frozen=True, slots=True, eq=False)
class Spellings:
    """The normalised names and aliases of the visible tags of a catalog, sorted."""

    catalog: TagCatalog
    forms: tuple[str, ...]  # S, rising
    rows: NDArray[np.int64]  # (S,) of the catalog

    @classmethod
    def of(cls, catalog: TagCatalog) -> "Spellings":
        found = sorted(
            (form, row) for form, row in catalog.rows_by_spelling.items() if form and not catalog.hidden[row]
        )
        return cls(catalog, tuple(form for form, _ in found), np.array([row for _, row in found], np.int64))

    def starting_with(self, text: str, count: int) -> list[JudgedTag]:
        """Return at most `count` tags with a spelling that starts with the text; equal ones first, then by use."""
        prefix = normalise(text)
        if not prefix:
            return []
        start, end = bisect_left(self.forms, prefix), bisect_left(self.forms, prefix + LAST)
        equal = self.catalog.rows_by_spelling.get(prefix, -1)
        rows = np.unique(self.rows[start:end])
        order = np.lexsort((rows, -self.catalog.counts[rows], rows != equal))
        return [JudgedTag(self.catalog.ids[row], self.catalog.names[row]) for row in rows[order[:count]].tolist()]

    def named(self, text: str) -> JudgedTag:
        """Return the tag of a spelling; one without an id, under the spelling, where the catalog has none."""
        row = self.catalog.rows_by_spelling.get(normalise(text))
        if row is None:
            return JudgedTag(None, " ".join(text.split()))
        return JudgedTag(self.catalog.ids[row], self.catalog.names[row])
