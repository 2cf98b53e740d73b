"""All edits of a service's tags, and what they make of the catalog of a bundle.

Edits are made of a catalog and its tags; bundles change beneath them. An edit that a bundle has no place for - its tag
is not there, or is spelled so already - is passed over and told, and counts again in a bundle that has one.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tagging.errors import AlreadyExistsError, ConflictError, UnknownIdError
from tagging.tags.edits.edit import Edit, NumberedEdit
from tagging.tags.edits.edited_catalog import CatalogIndex, EditedCatalog

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class EditHistory:
    """The edits up to one moment, over one catalog."""

    edits: tuple[NumberedEdit, ...]
    tags: EditedCatalog
    passed_over: frozenset[int]  # numbers of edits that this catalog has no place for

    @classmethod
    def over(cls, index: CatalogIndex, edits: Sequence[NumberedEdit] = ()) -> "EditHistory":
        """Every edit anew, those that were taken back left out."""
        taken_back = {one.edit.undoes for one in edits if one.edit.undoes is not None}
        by_number = {one.number: one.edit for one in edits}
        tags, passed_over = EditedCatalog(index), set[int]()
        for one in edits:
            if one.number in taken_back:
                tags.apply_undone(one.edit)
            elif one.edit.undoes is not None:
                for touched in by_number[one.edit.undoes].touched:
                    tags.touch(touched, one.number)
            else:
                _apply(tags, one, passed_over)
        if passed_over:
            logger.info("the catalog has no place for %d of the %d edits of tags", len(passed_over), len(edits))
        return cls(tuple(edits), tags, frozenset(passed_over))

    @property
    def last(self) -> int:
        """Number of the last edit; 0: there is none."""
        return self.edits[-1].number if self.edits else 0

    def then(self, more: Iterable[NumberedEdit]) -> "EditHistory":
        """With later edits."""
        more = list(more)
        if any(one.edit.kind == "undo" for one in more):
            return EditHistory.over(self.tags.index, (*self.edits, *more))
        tags, passed_over = self.tags.copy(), set(self.passed_over)
        for one in more:
            _apply(tags, one, passed_over)
        return EditHistory((*self.edits, *more), tags, frozenset(passed_over))

    def without(self, number: int) -> "EditHistory":
        """As it would be had an edit been taken back; UnknownIdError, ConflictError where others rest on it."""
        wanted = self.edit(number)
        if wanted is None or wanted.kind == "undo":
            what = "is an undo itself" if wanted else "is not there"
            raise UnknownIdError(f"edit {number} {what}", "ListTagEdits says which there are")
        after = self.then([NumberedEdit(self.last + 1, Edit("undo", wanted.tag_id, undoes=number))])
        resting = sorted(after.passed_over - self.passed_over)
        if resting:
            raise ConflictError(
                f"edit {number} cannot be taken back: edits {resting} rest on it", "take those back first"
            )
        return after

    def edit(self, number: int) -> Edit | None:
        return next((one.edit for one in self.edits if one.number == number), None)

    def undone_by(self, number: int) -> int | None:
        """Number of the edit that took an edit back."""
        return next((one.number for one in self.edits if one.edit.undoes == number), None)


def _apply(tags: EditedCatalog, one: NumberedEdit, passed_over: set[int]) -> None:
    edit = one.edit
    try:
        tags.apply(edit, one.number)
    except AlreadyExistsError as error:
        if edit.kind == "create":  # a later bundle's catalog has it
            tags.adopt(edit.tag_id, tags.row_of(error.existing_id))
        passed_over.add(one.number)
    except (UnknownIdError, ConflictError):
        passed_over.add(one.number)
