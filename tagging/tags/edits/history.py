"""The edit history of a service's tags, replayed over the catalog of a bundle.

Edits outlive bundles: they are made on the catalog of one bundle and replayed over the catalogs of later bundles. An
edit that does not apply to a catalog - its tag is missing, or the spelling is taken - is skipped and logged; it applies
again in a bundle whose catalog allows it.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tagging.errors import AlreadyExistsError, ConflictError, UnknownIdError
from tagging.tags.edits.catalog_index import CatalogIndex
from tagging.tags.edits.edit import TagEdit
from tagging.tags.edits.edited_catalog import EditedCatalog
from tagging.types import Numbered

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class EditHistory:
    """The edits up to some number, and the catalog that they result in."""

    edits: tuple[Numbered[TagEdit], ...]
    tags: EditedCatalog
    skipped: frozenset[int]  # numbers of the edits that do not apply to this catalog

    @classmethod
    def over(cls, index: CatalogIndex, edits: Sequence[Numbered[TagEdit]] = ()) -> "EditHistory":
        """Replay all edits except the undone ones over a catalog."""
        undone = {entry.record.undoes for entry in edits if entry.record.undoes is not None}
        by_number = {entry.number: entry.record for entry in edits}
        tags, skipped = EditedCatalog(index), set[int]()
        for entry in edits:
            edit = entry.record
            if entry.number in undone:
                tags.apply_undone(edit)
            elif edit.undoes is not None:
                for tag_id in by_number[edit.undoes].touched:
                    tags.touch(tag_id, entry.number)
            else:
                _apply(tags, entry, skipped)
        if skipped:
            logger.info("%d of the %d tag edits do not apply to the catalog", len(skipped), len(edits))
        return cls(tuple(edits), tags, frozenset(skipped))

    @property
    def last(self) -> int:
        """The number of the last edit; 0 without edits."""
        return self.edits[-1].number if self.edits else 0

    def then(self, later: Iterable[Numbered[TagEdit]]) -> "EditHistory":
        """Return the history with later edits appended."""
        later = list(later)
        if any(entry.record.kind == "undo" for entry in later):
            return EditHistory.over(self.tags.index, (*self.edits, *later))
        tags, skipped = self.tags.copy(), set(self.skipped)
        for entry in later:
            _apply(tags, entry, skipped)
        return EditHistory((*self.edits, *later), tags, frozenset(skipped))

    def without(self, number: int) -> "EditHistory":
        """Return the history with one more edit, which undoes edit `number`.

        Raises UnknownIdError for an edit that does not exist or is an undo, ConflictError if other edits depend on
        it.
        """
        edit = self.edit(number)
        if edit is None or edit.kind == "undo":
            reason = "is an undo itself" if edit else "does not exist"
            raise UnknownIdError(f"edit {number} {reason}", "ListTagEdits lists the edits")
        after = self.then([Numbered(self.last + 1, TagEdit("undo", edit.tag_id, undoes=number))])
        dependent = sorted(after.skipped - self.skipped)
        if dependent:
            raise ConflictError(f"edit {number} cannot be undone: edits {dependent} depend on it", "undo those first")
        return after

    def edit(self, number: int) -> TagEdit | None:
        """Return the edit of a number, or None."""
        return next((entry.record for entry in self.edits if entry.number == number), None)

    def undo_of(self, number: int) -> Numbered[TagEdit] | None:
        """Return the edit that undid edit `number`, or None."""
        return next((entry for entry in self.edits if entry.record.undoes == number), None)


def _apply(tags: EditedCatalog, entry: Numbered[TagEdit], skipped: set[int]) -> None:
    edit = entry.record
    try:
        tags.apply(edit, entry.number)
    except AlreadyExistsError as error:
        if edit.kind == "create":  # the catalog of a later bundle has the tag
            tags.adopt(edit.tag_id, tags.row_of(error.existing_id))
        skipped.add(entry.number)
    except (UnknownIdError, ConflictError):
        skipped.add(entry.number)
