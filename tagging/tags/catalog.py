"""Tag catalog: every tag once, under its most used name, with its other spellings as aliases.

Two spellings are one tag when they agree after `tagging.text.normalise`: plain letters, no case, single spaces.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tagging.files.tables import numbers, read_table
from tagging.ragged import Ragged
from tagging.text.normalise import normalise


def tag_id(normalised: str) -> str:
    """Return the id of a tag, equal in every catalog: 16 hex digits of the BLAKE2b hash of the normalised name."""
    return hashlib.blake2b(normalised.encode("utf-8"), digest_size=8).hexdigest()


@dataclass(frozen=True, eq=False)  # no slots: spellings are indexed once
class TagCatalog:
    """N tags; a tag's row is its index in every array here and in every bundle file that refers to tags.

    A tag is active or hidden; as there is no third status, it is a bool.
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]  # canonical: the spelling most videos use
    aliases: tuple[tuple[str, ...], ...]  # other raw spellings, most used first
    counts: NDArray[np.int64]  # (N,) labelled videos with the tag
    hidden: NDArray[np.bool_]  # (N,) True: never proposed
    parents: tuple[tuple[int, ...], ...] = ()  # rows of more general tags; (): no tag has any
    languages: tuple[str, ...] = ()  # BCP 47, "" if unknown; (): all unknown

    def __post_init__(self) -> None:
        # Bundles written before these two columns existed lack them.
        if not self.parents:
            object.__setattr__(self, "parents", ((),) * len(self.ids))
        if not self.languages:
            object.__setattr__(self, "languages", ("",) * len(self.ids))
        columns = (self.ids, self.names, self.aliases, self.counts, self.hidden, self.parents, self.languages)
        lengths = {len(column) for column in columns}
        if len(lengths) != 1:
            raise ValueError(f"columns of different lengths: {sorted(lengths)}")
        for row, parents in enumerate(self.parents):
            if any(parent == row or not 0 <= parent < len(self) for parent in parents):
                raise ValueError(f"tag {self.names[row]!r} has parents {parents}, not other rows of {len(self)} tags")
        try:
            TopologicalSorter({row: parents for row, parents in enumerate(self.parents) if parents}).prepare()
        except CycleError as error:
            circle = " < ".join(self.names[row] for row in error.args[1])
            raise ValueError(f"tags are their own ancestors: {circle}") from error

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def rows_by_spelling(self) -> Mapping[str, int]:
        """The row of each normalised spelling; canonical names take precedence over aliases."""
        by_alias = {normalise(alias): row for row, aliases in enumerate(self.aliases) for alias in aliases}
        return by_alias | {normalise(name): row for row, name in enumerate(self.names)}

    def spellings(self, rows: Iterable[int]) -> list[tuple[str, ...]]:
        """Return the name and aliases of each of the given tags."""
        return [(self.names[row], *self.aliases[row]) for row in rows]

    def with_added(self, names: Sequence[str]) -> "TagCatalog":
        """Return the catalog with tags of these names appended, which no video has.

        names: of tags that the catalog does not have, words separated by single spaces.
        """
        nothing = ((),) * len(names)
        return TagCatalog(
            ids=(*self.ids, *(tag_id(normalise(name)) for name in names)),
            names=(*self.names, *names),
            aliases=self.aliases + nothing,
            counts=np.append(self.counts, np.zeros(len(names), np.int64)),
            hidden=np.append(self.hidden, np.zeros(len(names), np.bool_)),
            parents=self.parents + nothing,
            languages=self.languages + ("",) * len(names),
        )

    def only(self, rows: NDArray[np.int64]) -> "TagCatalog":
        """Return the catalog of some of the tags, in the order of `rows`; parents that are left out are no parents."""
        new_row = {row: number for number, row in enumerate(rows.tolist())}
        parents = [[new_row[parent] for parent in self.parents[row] if parent in new_row] for row in new_row]
        return TagCatalog(
            ids=tuple(self.ids[row] for row in new_row),
            names=tuple(self.names[row] for row in new_row),
            aliases=tuple(self.aliases[row] for row in new_row),
            counts=self.counts[rows],
            hidden=self.hidden[rows],
            parents=tuple(map(tuple, parents)),
            languages=tuple(self.languages[row] for row in new_row),
        )

    def save(self, path: Path) -> None:
        table = pa.table(
            {
                "id": pa.array(self.ids, pa.string()),
                "name": pa.array(self.names, pa.string()),
                "aliases": pa.array(self.aliases, pa.list_(pa.string())),
                "count": pa.array(self.counts, pa.int64()),
                "hidden": pa.array(self.hidden, pa.bool_()),
                "parents": pa.array(self.parents, pa.list_(pa.int32())),
                "language": pa.array(self.languages, pa.string()),
            }
        )
        pq.write_table(table, path)

    @classmethod
    def load(cls, path: Path) -> "TagCatalog":
        table = read_table(path)
        has = set(table.column_names)
        return cls(
            ids=tuple(table["id"].to_pylist()),
            names=tuple(table["name"].to_pylist()),
            aliases=tuple(map(tuple, table["aliases"].to_pylist())),
            counts=numbers(table["count"]),
            hidden=numbers(table["hidden"]),
            parents=tuple(map(tuple, table["parents"].to_pylist())) if "parents" in has else (),
            languages=tuple(table["language"].to_pylist()) if "language" in has else (),
        )


def build_catalog(
    tags_of_videos: Iterable[Sequence[str]],
    min_count: int = 1,
    same_as: Mapping[str, str] = MappingProxyType({}),
) -> tuple[TagCatalog, Ragged]:
    """Build the catalog of the raw tags of V videos, and each video's tags as catalog rows.

    A tag repeated on one video counts once; tags on fewer than min_count videos are left out.
    Tags are sorted by descending count, then by name, so equal input gives an equal catalog.
    same_as: normalised spelling -> that of the tag it is an alias of (`maintenance.alias_table.read_accepted_aliases`).
    """
    spellings: dict[str, Counter[str]] = {}
    counts: Counter[str] = Counter()
    per_video: list[tuple[str, ...]] = []
    for tags in tags_of_videos:
        by_form: dict[str, str] = {}
        for tag in tags:
            raw = " ".join(tag.split())
            if form := normalise(raw):
                by_form.setdefault(same_as.get(form, form), raw)
        for form, raw in by_form.items():
            spellings.setdefault(form, Counter())[raw] += 1
        counts.update(by_form.keys())
        per_video.append(tuple(by_form))

    forms = sorted((form for form, n in counts.items() if n >= min_count), key=lambda form: (-counts[form], form))
    row_of = {form: row for row, form in enumerate(forms)}
    ranked = [sorted(spellings[form].items(), key=partial(_before, form)) for form in forms]
    catalog = TagCatalog(
        ids=tuple(map(tag_id, forms)),
        names=tuple(spelled[0][0] for spelled in ranked),
        aliases=tuple(tuple(raw for raw, _ in spelled[1:]) for spelled in ranked),
        counts=np.array([counts[form] for form in forms], np.int64),
        hidden=np.zeros(len(forms), np.bool_),
    )
    rows = [[row_of[form] for form in forms_of if form in row_of] for forms_of in per_video]
    return catalog, Ragged.of(rows)


def _before(form: str, spelling: tuple[str, int]) -> tuple[bool, int, str]:
    """Sort key: a tag's own spellings before spellings of its aliases, then by use."""
    raw, count = spelling
    return normalise(raw) != form, -count, raw
