"""A small tag catalog that tests edit as the service does, one request after another."""

from collections.abc import Callable, Sequence
from typing import Any

from tagging.tags.catalog import TagCatalog, build_catalog
from tagging.tags.edits.catalog_index import CatalogIndex
from tagging.tags.edits.edit import TagEdit
from tagging.tags.edits.edit_batch import EditBatch
from tagging.tags.edits.edited_catalog import EditedCatalog
from tagging.tags.edits.history import EditHistory
from tagging.types import Numbered

NAMES = ["animal", "dog", "beagle", "cat", "Kätzchen", "car"]


def base(names: Sequence[str] = NAMES) -> TagCatalog:
    catalog, _ = build_catalog([[name] for name in names])
    order = {name: row for row, name in enumerate(catalog.names)}
    parents: list[tuple[int, ...]] = [()] * len(catalog)
    for child, parent in (("dog", "animal"), ("beagle", "dog")):
        if child in order and parent in order:
            parents[order[child]] = (order[parent],)
    return TagCatalog(
        catalog.ids, catalog.names, catalog.aliases, catalog.counts, catalog.hidden, tuple(parents)
    )  # fmt: skip


class Editor:
    """Applies requests one after another, as a service does."""

    def __init__(self, names: Sequence[str] = NAMES) -> None:
        self.history = EditHistory.over(CatalogIndex(base(names)))

    @property
    def tags(self) -> EditedCatalog:
        return self.history.tags

    def do(self, apply: Callable[[EditBatch], Any]) -> list[TagEdit]:
        batch = EditBatch(self.tags, self.history.last + 1)
        apply(batch)
        edits = [Numbered(number, edit) for number, edit in enumerate(batch.edits, self.history.last + 1)]
        self.history = self.history.then(edits)
        assert state(self.tags) == state(batch.tags)
        return batch.edits

    def undo(self, number: int) -> None:
        self.history = self.history.without(number)

    def id(self, spelling: str) -> str:
        row = self.tags.find_spelling(spelling)
        assert row is not None, spelling
        return self.tags.id_of(row)


def state(tags: EditedCatalog) -> dict[str, Any]:
    """Return all visible properties of every tag, by id."""
    catalog = tags.catalog()
    rows = [row for row in range(len(tags)) if not tags.is_gone(row)]
    assert [bool(catalog.hidden[row]) for row in rows] == [tags.is_hidden(row) for row in rows]
    assert all(catalog.hidden[row] for row in range(len(tags)) if tags.is_gone(row))
    return {
        tags.id_of(row): (
            catalog.names[row], catalog.aliases[row], tuple(tags.id_of(parent) for parent in tags.parents_of(row)),
            tags.is_hidden(row), tags.description_of(row), catalog.languages[row],
            {s: tags.find_spelling(s) == row for s in (catalog.names[row], *catalog.aliases[row])},
        )
        for row in rows
    }  # fmt: skip
