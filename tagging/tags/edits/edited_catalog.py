"""Edited tag catalog: a bundle's catalog with an overlay of tag edits; the bundle itself never changes.

An edit is applied completely, or raises an error. The catalog's rows keep their numbers; created tags follow them in
the order of their creation, and no row is reused, so a row number stays valid in every later state.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from tagging.errors import AlreadyExistsError, ConflictError, UnknownIdError
from tagging.tags.catalog import TagCatalog, tag_id
from tagging.tags.edits.catalog_index import CatalogIndex, CatalogOverlay
from tagging.tags.edits.edit import TagEdit
from tagging.text.normalise import normalise


class EditedCatalog:
    """A bundle's catalog as edits have changed it."""

    def __init__(self, index: CatalogIndex, overlay: CatalogOverlay | None = None) -> None:
        """Start from the catalog; overlay: differences from it, which this object owns from now on."""
        self.index = index
        self._base = len(index.catalog)
        self._overlay = overlay if overlay is not None else CatalogOverlay()

    def __len__(self) -> int:
        """Return the number of rows, including merged tags and undone creations."""
        return self._base + len(self._overlay.created)

    def copy(self) -> "EditedCatalog":
        """Return a catalog that can be edited without changing this one."""
        return EditedCatalog(self.index, self._overlay.copy())

    # Queries

    def row_of(self, tag_id: str) -> int:
        """Return the row of a tag, or of the tag that it was merged into. Raises UnknownIdError."""
        row = self._row_of_id(tag_id)
        if row is None:
            raise UnknownIdError(f"there is no tag {tag_id!r}", "ListTags lists the tags")
        return self.merged_into(row)

    def find(self, tag_id: str) -> int | None:
        """Return the row of a tag as `row_of` does; None for an unknown id."""
        row = self._row_of_id(tag_id)
        return None if row is None else self.merged_into(row)

    def merged_into(self, row: int) -> int:
        """Return the row that a row was merged into, through chains of merges; the row itself if it was not merged."""
        while row in self._overlay.merged:
            row = self._overlay.merged[row]
        return row

    def find_spelling(self, spelling: str) -> int | None:
        """Return the row of the tag with this name or alias, compared after normalisation; None if there is none."""
        form = normalise(spelling)
        forms = self._overlay.forms
        return forms[form] if form in forms else self.index.rows_by_form.get(form)

    def id_of(self, row: int) -> str:
        return self.index.catalog.ids[row] if row < self._base else self._overlay.created[row - self._base][0]

    def name_of(self, row: int) -> str:
        names = self._overlay.names
        return names[row] if row in names else self.index.catalog.names[row]

    def aliases_of(self, row: int) -> tuple[str, ...]:
        aliases = self._overlay.aliases.get(row)
        if aliases is None:
            aliases = self.index.catalog.aliases[row] if row < self._base else ()
        return aliases

    def parents_of(self, row: int) -> tuple[int, ...]:
        """Return the rows of a tag's parents; for a merged parent, the row that it was merged into."""
        parents = self._overlay.parents.get(row)
        if parents is None:
            parents = self.index.catalog.parents[row] if row < self._base else ()
        if not self._overlay.merged:
            return parents
        return tuple(dict.fromkeys(self.merged_into(parent) for parent in parents))

    def is_hidden(self, row: int) -> bool:
        return self._overlay.hidden.get(row, row < self._base and bool(self.index.catalog.hidden[row]))

    def language_of(self, row: int) -> str:
        return self.index.catalog.languages[row] if row < self._base else self._overlay.created[row - self._base][1]

    def description_of(self, row: int) -> str:
        return self._overlay.descriptions.get(row, "")

    def last_edit_of(self, row: int) -> int:
        """Return the number of the last edit that changed a row; 0 for none."""
        return self._overlay.last_edits.get(row, 0)

    def is_gone(self, row: int) -> bool:
        """Return True for a tag that was merged into another, and for one whose creation was undone."""
        return row in self._overlay.merged or (row >= self._base and self._overlay.ids.get(self.id_of(row)) != row)

    @property
    def redirects(self) -> Mapping[int, int]:
        """By row of a merged tag, the row that it was merged into."""
        return {row: self.merged_into(row) for row in self._overlay.merged}

    @property
    def created(self) -> range:
        """The rows of created tags, which follow the rows of the catalog."""
        return range(self._base, len(self))

    @property
    def added_spellings(self) -> Mapping[str, int]:
        """The rows of the spellings that edits added, by spelling as it was typed."""
        added = {form: row for form, row in self._overlay.forms.items() if row is not None}
        return MappingProxyType({self._typed(form, row): row for form, row in added.items()})

    @property
    def spelling_overrides(self) -> Mapping[str, int | None]:
        """The rows of the spellings that edits added or removed, by normalised spelling; None: removed."""
        return MappingProxyType(self._overlay.forms)

    @property
    def removed_spellings(self) -> frozenset[str]:
        """Normalised spellings that no longer belong to any tag."""
        return frozenset(form for form, row in self._overlay.forms.items() if row is None)

    def catalog(self) -> TagCatalog:
        """Return all rows as a catalog, in which merged tags and undone creations are hidden."""
        base, rows, overlay = self.index.catalog, self.created, self._overlay
        hidden = np.concatenate([base.hidden, np.zeros(len(rows), np.bool_)])
        for row, is_hidden in overlay.hidden.items():
            hidden[row] = is_hidden
        hidden[[row for row in {*overlay.merged, *rows} if self.is_gone(row)]] = True
        names, aliases, parents = list(base.names), list(base.aliases), list(base.parents)
        for row in rows:
            names.append(self.name_of(row))
            aliases.append(self.aliases_of(row))
            parents.append(self.parents_of(row))
        for row in overlay.names:
            names[row] = self.name_of(row)
        for row in overlay.aliases:
            aliases[row] = self.aliases_of(row)
        for row in {*overlay.parents, *(self.index.children if overlay.merged else ())}:  # a parent may be merged
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

    # Edits

    def apply(self, edit: TagEdit, number: int) -> None:
        """Apply an edit; raises UnknownIdError, AlreadyExistsError or ConflictError and then changes nothing."""
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
                self._remove_alias(row, edit.before["alias"])
            case "merge":
                touched.append(self._merge(row, edit.after["into"]))
            case "hide" | "show":
                self._overlay.hidden[row] = edit.kind == "hide"
            case "parent":
                self._add_parent(row, self.row_of(edit.after["parent_id"]))
            case "unparent":
                removed = self.row_of(edit.before["parent_id"])
                self._overlay.parents[row] = tuple(parent for parent in self.parents_of(row) if parent != removed)
            case "describe":
                self._overlay.descriptions[row] = edit.after["description"]
            case "undo":
                raise ValueError("an undo is not applied: replay the history without the edit that it undoes")
        for touched_row in touched:
            self._overlay.last_edits[touched_row] = number

    def apply_undone(self, edit: TagEdit) -> None:
        """Apply an undone edit: only the row of an undone creation remains, as rows are never reused."""
        if edit.kind == "create":
            self._overlay.names[len(self)] = edit.after["name"]
            self._overlay.created.append((edit.tag_id, ""))

    def touch(self, tag_id: str, number: int) -> None:
        """Record that edit `number` undid an edit of the tag, if the tag still exists."""
        row = self.find(tag_id)
        if row is not None:
            self._overlay.last_edits[row] = number

    def adopt(self, tag_id: str, row: int) -> None:
        """Let an id refer to an existing tag: the catalog of a later bundle may contain a tag that was once created."""
        self._overlay.ids[tag_id] = row

    def free_id(self, name: str) -> str:
        """Return the id for a new tag: the id of its name in every catalog, or another one if a renamed tag has it."""
        form, attempt = normalise(name), 0
        while (free := tag_id(form if not attempt else f"{form}\n{attempt}")) in self._overlay.ids or (
            free in self.index.rows_by_id
        ):
            attempt += 1
        return free

    def _typed(self, form: str, row: int) -> str:
        """Return the spelling of a tag that has a normalised form; the form itself if the tag was merged since."""
        spellings = (self.name_of(row), *self.aliases_of(row))
        return next((spelling for spelling in spellings if normalise(spelling) == form), form)

    def _row_of_id(self, tag_id: str) -> int | None:
        return self._overlay.ids.get(tag_id, self.index.rows_by_id.get(tag_id))

    def _create(self, new_id: str, name: str, language: str, number: int) -> None:
        self._require_free(name, None)
        row, overlay = len(self), self._overlay
        overlay.created.append((new_id, language))
        overlay.ids[new_id] = row
        overlay.names[row] = name
        overlay.aliases[row] = ()
        overlay.forms[normalise(name)] = row
        overlay.last_edits[row] = number

    def _rename(self, row: int, name: str) -> None:
        self._require_free(name, row)
        old, form = self.name_of(row), normalise(name)
        aliases = [alias for alias in self.aliases_of(row) if normalise(alias) != form]
        if normalise(old) != form:
            aliases.insert(0, old)
        self._overlay.aliases[row] = tuple(aliases)
        self._overlay.names[row] = name
        self._overlay.forms[form] = row

    def _set_spelling(self, row: int, alias: str) -> None:
        if self.find_spelling(alias) != row:
            self._overlay.forms[normalise(alias)] = row
        if alias not in (self.name_of(row), *self.aliases_of(row)):
            self._overlay.aliases[row] = (*self.aliases_of(row), alias)

    def _remove_alias(self, row: int, alias: str) -> None:
        form, aliases = normalise(alias), self.aliases_of(row)
        if form == normalise(self.name_of(row)):
            if alias not in aliases:
                raise ConflictError(f"{alias!r} is the name of the tag", "rename it first")
            self._overlay.aliases[row] = tuple(other for other in aliases if other != alias)
            return
        self._overlay.aliases[row] = tuple(other for other in aliases if normalise(other) != form)
        if self.find_spelling(alias) == row:
            self._overlay.forms[form] = None

    def _merge(self, row: int, into: str) -> int:
        target = self.row_of(into)
        if target == row:
            raise ConflictError(f"{self.name_of(row)!r} is merged into itself")
        for parent in self.parents_of(target):
            if parent != row:  # skip the target's link to the source, which the merge removes
                self._require_no_cycle(row, parent)
        self._overlay.merged[row] = target
        for spelling in (self.name_of(row), *self.aliases_of(row)):
            self._set_spelling(target, spelling)
        self._overlay.parents[target] = tuple(parent for parent in self.parents_of(target) if parent != target)
        return target

    def _add_parent(self, row: int, parent: int) -> None:
        self._require_no_cycle(row, parent)
        self._overlay.parents[row] = tuple(dict.fromkeys([*self.parents_of(row), parent]))

    def _require_free(self, spelling: str, row: int | None) -> None:
        owner = self.find_spelling(spelling)
        if owner is not None and owner != row:
            raise AlreadyExistsError(
                f"{spelling!r} is already the name or an alias of the tag {self.name_of(owner)!r}",
                "merge the two tags",
                self.id_of(owner),
            )

    def _require_no_cycle(self, row: int, parent: int) -> None:
        pending, seen = [parent], set[int]()
        while pending:
            ancestor = pending.pop()
            if ancestor == row:
                raise ConflictError(f"{self.name_of(row)!r} would be its own ancestor, by {self.name_of(parent)!r}")
            if ancestor not in seen:
                seen.add(ancestor)
                pending += self.parents_of(ancestor)
