"""What a request for a change of tags leads to: the edits that make it, each checked on the tags as they are.

What is already as asked makes no edit. All of a request can be done, or an error says why not and there are no edits.
"""

from collections.abc import Sequence

from tagging.tags.edits.edit import Edit
from tagging.tags.edits.edited_catalog import EditedCatalog
from tagging.text import normalise


class EditBatch:
    """The edits of one request, on a copy of the tags."""

    def __init__(self, tags: EditedCatalog, number: int) -> None:
        """number: of the first edit that is to come"""
        self.tags = tags.copy()
        self.edits: list[Edit] = []
        self._number = number

    def create(
        self,
        name: str,
        aliases: Sequence[str] = (),
        parent_ids: Sequence[str] = (),
        language: str = "",
        description: str = "",
    ) -> str:
        """The id of the new tag. AlreadyExistsError for a spelling that is taken, UnknownIdError for a parent."""
        name = " ".join(name.split())
        new_id = self.tags.free_id(name)
        self._do(Edit("create", new_id, after={"name": name, **({"language": language} if language else {})}))
        self.update(new_id, add_aliases=aliases, add_parent_ids=parent_ids, description=description or None)
        return new_id

    def update(
        self,
        tag_id: str,
        *,
        name: str | None = None,
        add_aliases: Sequence[str] = (),
        remove_aliases: Sequence[str] = (),
        add_parent_ids: Sequence[str] = (),
        remove_parent_ids: Sequence[str] = (),
        description: str | None = None,
        hidden: bool | None = None,
    ) -> None:
        """None: as it is. Raises UnknownIdError, AlreadyExistsError, ConflictError."""
        tags, row = self.tags, self.tags.row_of(tag_id)
        tag_id = tags.id_of(row)  # of what it was merged into
        if name is not None and (name := " ".join(name.split())) != tags.name_of(row):
            self._do(Edit("rename", tag_id, {"name": tags.name_of(row)}, {"name": name}))
        for alias in (" ".join(one.split()) for one in add_aliases):
            if alias not in (tags.name_of(row), *tags.aliases_of(row)):
                self._do(Edit("alias", tag_id, after={"alias": alias}))
        for alias in (" ".join(one.split()) for one in remove_aliases):
            form = normalise(alias)
            if form == normalise(tags.name_of(row)) or form in map(normalise, tags.aliases_of(row)):
                self._do(Edit("unalias", tag_id, {"alias": alias}))
        for parent in map(tags.row_of, add_parent_ids):
            if parent not in tags.parents_of(row):
                self._do(Edit("parent", tag_id, after={"parent_id": tags.id_of(parent)}))
        for parent in map(tags.row_of, remove_parent_ids):
            if parent in tags.parents_of(row):
                self._do(Edit("unparent", tag_id, {"parent_id": tags.id_of(parent)}))
        if description is not None and description != tags.description_of(row):
            before = {"description": tags.description_of(row)}
            self._do(Edit("describe", tag_id, before, {"description": description}))
        if hidden is not None and hidden != tags.is_hidden(row):
            self._do(Edit("hide" if hidden else "show", tag_id))

    def merge(self, target_id: str, source_ids: Sequence[str]) -> None:
        """Raises UnknownIdError, ConflictError."""
        tags = self.tags
        target = tags.row_of(target_id)
        for source in map(tags.row_of, source_ids):
            if source != target:
                before = {"name": tags.name_of(source)}
                self._do(Edit("merge", tags.id_of(source), before, {"into": tags.id_of(target)}))

    def _do(self, edit: Edit) -> None:
        self.tags.apply(edit, self._number + len(self.edits))
        self.edits.append(edit)
