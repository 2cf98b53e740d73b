"""Edit batch: the edits of one request, each checked against the result of the earlier ones.

A change that is already in effect produces no edit. Either the whole request can be applied, or an error is raised and
there are no edits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tagging.tags.edits.edit import TagEdit
from tagging.tags.edits.edited_catalog import EditedCatalog
from tagging.text.normalise import normalise


@dataclass(frozen=True, slots=True)
class TagUpdate:
    """Changes to one tag; None leaves a field as it is. The spellings and parents to remove need not be there."""

    name: str | None = None
    add_aliases: Sequence[str] = ()
    remove_aliases: Sequence[str] = ()
    add_parent_ids: Sequence[str] = ()
    remove_parent_ids: Sequence[str] = ()
    description: str | None = None
    hidden: bool | None = None


class EditBatch:
    """Collects the edits of one request on a copy of the tags. Each method returns the id of the tag it changed."""

    def __init__(self, tags: EditedCatalog, number: int) -> None:
        """number: the number that the first edit will get"""
        self.tags = tags.copy()
        self.edits: list[TagEdit] = []
        self._number = number

    def create(
        self,
        name: str,
        aliases: Sequence[str] = (),
        parent_ids: Sequence[str] = (),
        language: str = "",
        description: str = "",
    ) -> str:
        """Create a tag; raises AlreadyExistsError for a spelling in use, UnknownIdError for an unknown parent."""
        name = _single_spaced(name)
        new_id = self.tags.free_id(name)
        self._apply(TagEdit("create", new_id, after={"name": name, **({"language": language} if language else {})}))
        return self.update(
            new_id, TagUpdate(add_aliases=aliases, add_parent_ids=parent_ids, description=description or None)
        )

    def update(self, tag_id: str, update: TagUpdate) -> str:
        """Change a tag. Raises UnknownIdError, AlreadyExistsError, ConflictError."""
        row = self.tags.row_of(tag_id)
        tag_id = self.tags.id_of(row)  # of the tag that it was merged into
        if update.name is not None and (name := _single_spaced(update.name)) != self.tags.name_of(row):
            self._apply(TagEdit("rename", tag_id, {"name": self.tags.name_of(row)}, {"name": name}))
        self._edit_aliases(row, map(_single_spaced, update.add_aliases), map(_single_spaced, update.remove_aliases))
        self._edit_parents(row, update.add_parent_ids, update.remove_parent_ids)
        if update.description is not None and update.description != self.tags.description_of(row):
            before = {"description": self.tags.description_of(row)}
            self._apply(TagEdit("describe", tag_id, before, {"description": update.description}))
        if update.hidden is not None and update.hidden != self.tags.is_hidden(row):
            self._apply(TagEdit("hide" if update.hidden else "show", tag_id))
        return tag_id

    def merge(self, target_id: str, source_ids: Sequence[str]) -> str:
        """Merge tags into another; raises UnknownIdError, ConflictError."""
        target = self.tags.row_of(target_id)
        target_id = self.tags.id_of(target)
        for source in map(self.tags.row_of, source_ids):
            if source != target:
                before = {"name": self.tags.name_of(source)}
                self._apply(TagEdit("merge", self.tags.id_of(source), before, {"into": target_id}))
        return target_id

    def _edit_aliases(self, row: int, added: Iterable[str], removed: Iterable[str]) -> None:
        tag_id = self.tags.id_of(row)
        for alias in added:
            if alias not in (self.tags.name_of(row), *self.tags.aliases_of(row)):
                self._apply(TagEdit("alias", tag_id, after={"alias": alias}))
        for alias in removed:
            form = normalise(alias)
            if form == normalise(self.tags.name_of(row)) or form in map(normalise, self.tags.aliases_of(row)):
                self._apply(TagEdit("unalias", tag_id, {"alias": alias}))

    def _edit_parents(self, row: int, added_ids: Sequence[str], removed_ids: Sequence[str]) -> None:
        tag_id = self.tags.id_of(row)
        for parent in map(self.tags.row_of, added_ids):
            if parent not in self.tags.parents_of(row):
                self._apply(TagEdit("parent", tag_id, after={"parent_id": self.tags.id_of(parent)}))
        for parent in map(self.tags.row_of, removed_ids):
            if parent in self.tags.parents_of(row):
                self._apply(TagEdit("unparent", tag_id, {"parent_id": self.tags.id_of(parent)}))

    def _apply(self, edit: TagEdit) -> None:
        self.tags.apply(edit, self._number + len(self.edits))
        self.edits.append(edit)


def _single_spaced(text: str) -> str:
    return " ".join(text.split())
