"""A bundle's catalog with edits laid over it; the bundle itself never changes.

An edit is applied whole or raises. Rows of the catalog stay; created tags stand behind them in the order in which they
were created, and no row is used twice, so who holds a row may look it up in any later state.
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from tagging.errors import AlreadyExistsError, ConflictError, UnknownIdError
from tagging.tags.catalog import TagCatalog, tag_id
from tagging.tags.edits.edit import Edit
from tagging.text import normalise


class CatalogIndex:
    """A catalog that is looked up by ids and spellings."""

    def __init__(self, catalog: TagCatalog) -> None:
        self.catalog = catalog
        self.rows_by_id: Mapping[str, int] = {one: row for row, one in enumerate(catalog.ids)}
        self.rows_by_form: Mapping[str, int] = catalog.rows_by_spelling
        self.children: tuple[int, ...] = tuple(row for row, parents in enumerate(catalog.parents) if parents)


class EditedCatalog:
    """The catalog of a bundle and what edits have made of it."""

    def __init__(self, index: CatalogIndex) -> None:
        self.index = index
        self._base = len(index.catalog)
        self._created: list[tuple[str, str]] = []  # id and language of each row behind the catalog's
        self._ids: dict[str, int] = {}  # of created tags
        self._names: dict[int, str] = {}
        self._aliases: dict[int, tuple[str, ...]] = {}
        self._forms: dict[str, int | None] = {}  # None: nobody's any more
        self._hidden: dict[int, bool] = {}
        self._parents: dict[int, tuple[int, ...]] = {}
        self._descriptions: dict[int, str] = {}
        self._merged: dict[int, int] = {}  # merged rows
        self._edited: dict[int, int] = {}  # number of the last edit of a row

    def __len__(self) -> int:
        """Rows, those of merged tags and of taken back ones too."""
        return self._base + len(self._created)

    def copy(self) -> "EditedCatalog":
        other = copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | list):
                setattr(other, name, value.copy())
        return other

    # What there is

    def row_of(self, tag_id: str) -> int:
        """Of a tag, or of what it was merged into; UnknownIdError."""
        row = self._ids.get(tag_id, self.index.rows_by_id.get(tag_id))
        if row is None:
            raise UnknownIdError(f"there is no tag {tag_id!r}", "ListTags says which there are")
        return self.merged_into(row)

    def find(self, tag_id: str) -> int | None:
        """As `row_of`; None where there is none, or its creation was taken back."""
        row = self._ids.get(tag_id, self.index.rows_by_id.get(tag_id))
        return None if row is None else self.merged_into(row)

    def merged_into(self, row: int) -> int:
        """The row that it was merged into, or itself."""
        while row in self._merged:
            row = self._merged[row]
        return row

    def find_spelling(self, spelling: str) -> int | None:
        form = normalise(spelling)
        return self._forms[form] if form in self._forms else self.index.rows_by_form.get(form)

    def id_of(self, row: int) -> str:
        return self.index.catalog.ids[row] if row < self._base else self._created[row - self._base][0]

    def name_of(self, row: int) -> str:
        return self._names[row] if row in self._names else self.index.catalog.names[row]

    def aliases_of(self, row: int) -> tuple[str, ...]:
        return self._aliases[row] if row in self._aliases else self._of_base(row, self.index.catalog.aliases, ())

    def parents_of(self, row: int) -> tuple[int, ...]:
        """Rows; of a tag that was merged, that of what it became."""
        parents = self._parents[row] if row in self._parents else self._of_base(row, self.index.catalog.parents, ())
        return tuple(dict.fromkeys(self.merged_into(parent) for parent in parents)) if self._merged else parents

    def is_hidden(self, row: int) -> bool:
        return self._hidden.get(row, row < self._base and bool(self.index.catalog.hidden[row]))

    def language_of(self, row: int) -> str:
        return self.index.catalog.languages[row] if row < self._base else self._created[row - self._base][1]

    def description_of(self, row: int) -> str:
        return self._descriptions.get(row, "")

    def last_edit_of(self, row: int) -> int:
        return self._edited.get(row, 0)

    def is_gone(self, row: int) -> bool:
        """Whether it was merged into another, or its creation was taken back."""
        return row in self._merged or (row >= self._base and self._ids.get(self.id_of(row)) != row)

    @property
    def redirects(self) -> Mapping[int, int]:
        """Rows of merged tags, and what they became."""
        return {row: self.merged_into(row) for row in self._merged}

    @property
    def created(self) -> range:
        """Rows behind the catalog's."""
        return range(self._base, len(self))

    @property
    def added_spellings(self) -> Mapping[str, int]:
        """What was added to the catalog's spellings, normalised, and whose it is."""
        return MappingProxyType({form: row for form, row in self._forms.items() if row is not None})

    @property
    def spelling_overrides(self) -> Mapping[str, int | None]:
        """Whose the spellings are that were added or taken away, normalised; None: nobody's."""
        return MappingProxyType(self._forms)

    @property
    def removed_spellings(self) -> frozenset[str]:
        """Spellings of the catalog that are nobody's any more, normalised."""
        return frozenset(form for form, row in self._forms.items() if row is None)

    def catalog(self) -> TagCatalog:
        """All rows; merged and taken back ones are hidden."""
        base, rows = self.index.catalog, self.created
        hidden = np.concatenate([base.hidden, np.zeros(len(rows), np.bool_)])
        for row, is_hidden in self._hidden.items():
            hidden[row] = is_hidden
        hidden[[row for row in {*self._merged, *rows} if self.is_gone(row)]] = True
        names, aliases, parents = list(base.names), list(base.aliases), list(base.parents)
        for row in rows:
            names.append(self.name_of(row))
            aliases.append(self.aliases_of(row))
            parents.append(self.parents_of(row))
        for row in self._names:
            names[row] = self.name_of(row)
        for row in self._aliases:
            aliases[row] = self.aliases_of(row)
        for row in {*self._parents, *(self.index.children if self._merged else ())}:  # parents may have been merged
            parents[row] = self.parents_of(row)
        return replace(
            base,
            ids=(*base.ids, *(self.id_of(row) for row in rows)),
            names=tuple(names),
            aliases=tuple(aliases),
            counts=np.concatenate([base.counts, np.zeros(len(rows), np.int64)]),
            hidden=hidden,
            parents=tuple(parents),
            languages=(*base.languages, *(self.language_of(row) for row in rows)),
        )

    # What becomes of it

    def apply(self, edit: Edit, number: int) -> None:
        """Raises UnknownIdError, AlreadyExistsError or ConflictError, and then nothing has changed."""
        if edit.kind == "create":
            self._create(edit.tag_id, edit.after["name"], edit.after.get("language", ""), number)
            return
        row = self.row_of(edit.tag_id)
        touched = [row]
        match edit.kind:
            case "rename":
                self._rename(row, edit.after["name"])
            case "alias":
                self._require_free(edit.after["alias"], row)
                self._set_spelling(row, edit.after["alias"])
            case "unalias":
                self._unalias(row, edit.before["alias"])
            case "merge":
                touched.append(self._merge(row, edit.after["into"]))
            case "hide" | "show":
                self._hidden[row] = edit.kind == "hide"
            case "parent":
                self._add_parent(row, self.row_of(edit.after["parent_id"]))
            case "unparent":
                parent = self.row_of(edit.before["parent_id"])
                self._parents[row] = tuple(one for one in self.parents_of(row) if one != parent)
            case "describe":
                self._descriptions[row] = edit.after["description"]
            case "undo":
                raise ValueError("an undo is no change of its own: leave out what it takes back")
        for one in touched:
            self._edited[one] = number

    def apply_undone(self, edit: Edit) -> None:
        """What remains of an edit that was taken back: a row that nobody gets any more."""
        if edit.kind == "create":
            self._names[len(self)] = edit.after["name"]
            self._created.append((edit.tag_id, ""))

    def touch(self, tag_id: str, number: int) -> None:
        """An edit of that number took back another of the tag, if it is there still."""
        row = self.find(tag_id)
        if row is not None:
            self._edited[row] = number

    def adopt(self, tag_id: str, row: int) -> None:
        """Let an id mean a tag that is there: a later bundle's catalog has what was once created."""
        self._ids[tag_id] = row

    def free_id(self, name: str) -> str:
        """For a tag to be created: that of its name in every catalog, or another where a renamed tag has it."""
        form, attempt = normalise(name), 0
        while (found := tag_id(form if not attempt else f"{form}\n{attempt}")) in self._ids or (
            found in self.index.rows_by_id
        ):
            attempt += 1
        return found

    def _create(self, new_id: str, name: str, language: str, number: int) -> None:
        self._require_free(name, None)
        row = len(self)
        self._created.append((new_id, language))
        self._ids[new_id] = row
        self._names[row] = name
        self._aliases[row] = ()
        self._forms[normalise(name)] = row
        self._edited[row] = number

    def _rename(self, row: int, name: str) -> None:
        self._require_free(name, row)
        old, form = self.name_of(row), normalise(name)
        aliases = [alias for alias in self.aliases_of(row) if normalise(alias) != form]
        if normalise(old) != form:
            aliases.insert(0, old)
        self._aliases[row] = tuple(aliases)
        self._names[row] = name
        self._forms[form] = row

    def _set_spelling(self, row: int, alias: str) -> None:
        form = normalise(alias)
        if self.find_spelling(alias) != row:
            self._forms[form] = row
        if alias not in (self.name_of(row), *self.aliases_of(row)):
            self._aliases[row] = (*self.aliases_of(row), alias)

    def _unalias(self, row: int, alias: str) -> None:
        form = normalise(alias)
        if form == normalise(self.name_of(row)):
            if alias not in self.aliases_of(row):
                raise ConflictError(f"{alias!r} is the name of the tag", "rename it first")
            self._aliases[row] = tuple(one for one in self.aliases_of(row) if one != alias)
            return
        self._aliases[row] = tuple(one for one in self.aliases_of(row) if normalise(one) != form)
        if self.find_spelling(alias) == row:
            self._forms[form] = None

    def _merge(self, row: int, into: str) -> int:
        target = self.row_of(into)
        if target == row:
            raise ConflictError(f"{self.name_of(row)!r} is merged into itself")
        for parent in self.parents_of(target):
            if parent != row:  # a kind of what it becomes itself is no kind of it any more
                self._require_no_circle(row, parent)
        self._merged[row] = target
        for spelling in (self.name_of(row), *self.aliases_of(row)):
            self._set_spelling(target, spelling)
        self._parents[target] = tuple(one for one in self.parents_of(target) if one != target)
        return target

    def _add_parent(self, row: int, parent: int) -> None:
        self._require_no_circle(row, parent)
        self._parents[row] = tuple(dict.fromkeys([*self.parents_of(row), parent]))

    def _require_free(self, spelling: str, row: int | None) -> None:
        owner = self.find_spelling(spelling)
        if owner is not None and owner != row:
            raise AlreadyExistsError(
                f"{spelling!r} is the tag {self.name_of(owner)!r}, or an alias of it",
                "merge the two",
                self.id_of(owner),
            )

    def _require_no_circle(self, row: int, parent: int) -> None:
        ahead, seen = [parent], set[int]()
        while ahead:
            one = ahead.pop()
            if one == row:
                raise ConflictError(f"{self.name_of(row)!r} would be its own ancestor, by {self.name_of(parent)!r}")
            if one not in seen:
                seen.add(one)
                ahead += self.parents_of(one)

    def _of_base(self, row: int, column: tuple[tuple[object, ...], ...], otherwise: tuple[object, ...]) -> "tuple":  # type: ignore[type-arg]
        return column[row] if row < self._base else otherwise
