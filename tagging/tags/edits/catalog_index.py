"""Lookup index over a bundle's catalog, and the overlay of edits on its rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tagging.tags.catalog import TagCatalog


class CatalogIndex:
    """A catalog with lookups by tag id and by normalised spelling."""

    def __init__(self, catalog: TagCatalog) -> None:
        self.catalog = catalog
        self.rows_by_id: Mapping[str, int] = {tag_id: row for row, tag_id in enumerate(catalog.ids)}
        self.rows_by_form: Mapping[str, int] = catalog.rows_by_spelling
        self.children: tuple[int, ...] = tuple(row for row, parents in enumerate(catalog.parents) if parents)


@dataclass(slots=True, eq=False)
class CatalogOverlay:
    """The differences between a catalog and its edited state, by row."""

    created: list[tuple[str, str]] = field(default_factory=list)  # id and language of each row after the catalog's
    ids: dict[str, int] = field(default_factory=dict)  # of created tags
    names: dict[int, str] = field(default_factory=dict)
    aliases: dict[int, tuple[str, ...]] = field(default_factory=dict)
    forms: dict[str, int | None] = field(default_factory=dict)  # by normalised spelling; None: no longer a tag's
    hidden: dict[int, bool] = field(default_factory=dict)
    parents: dict[int, tuple[int, ...]] = field(default_factory=dict)
    descriptions: dict[int, str] = field(default_factory=dict)
    merged: dict[int, int] = field(default_factory=dict)  # by merged row, the row that it was merged into
    last_edits: dict[int, int] = field(default_factory=dict)  # number of the last edit of a row

    def copy(self) -> "CatalogOverlay":
        """Return an overlay that can be edited without changing this one."""
        return CatalogOverlay(
            self.created.copy(),
            self.ids.copy(),
            self.names.copy(),
            self.aliases.copy(),
            self.forms.copy(),
            self.hidden.copy(),
            self.parents.copy(),
            self.descriptions.copy(),
            self.merged.copy(),
            self.last_edits.copy(),
        )
