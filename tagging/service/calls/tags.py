"""Calls about tags: list tags and edits page by page, and edit tags, all of a request or nothing."""

import asyncio
import bisect
import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Generic, TypeVar
from uuid import uuid4

from tagging.errors import OvertakenError
from tagging.service.bundles.registry import BundleRegistry
from tagging.service.calls.page_tokens import read_token, write_token
from tagging.store.database.tag_edits import TagEdits
from tagging.tags.edits.catalog_index import CatalogIndex
from tagging.tags.edits.edit import TagEdit
from tagging.tags.edits.edit_batch import EditBatch
from tagging.tags.edits.edited_catalog import EditedCatalog
from tagging.tags.edits.history import EditHistory
from tagging.text.normalise import normalise
from tagging.types import Numbered, Origin

T = TypeVar("T")

PAGE = 100
ATTEMPTS = 20  # of an edit while other clients edit tags, too

Position = tuple[int, str]  # of a tag in the listing: minus its number of videos, then its id
BEFORE_ALL: Position = (-(2**62), "")


@dataclass(frozen=True, slots=True)
class EditResult(Generic[T]):
    """The stored edits of a request, in the bundle that was active when it was applied."""

    result: T
    edits: tuple[Numbered[TagEdit], ...]
    tags: EditedCatalog
    bundle_version: str
    undone_by: int | None = None  # number of the edit that undid the edits; of a repeated undo only


@dataclass(frozen=True, slots=True)
class TagPage:
    """One page of tags."""

    rows: tuple[int, ...]
    next_token: str  # empty on the last page
    tags: EditedCatalog
    bundle_version: str
    last_edit: int


@dataclass(frozen=True, slots=True)
class EditPage:
    """One page of edits, each with the number of the edit that undid it."""

    edits: tuple[tuple[Numbered[TagEdit], int | None], ...]
    next_token: str  # empty on the last page


class TagCalls:
    """Answers the calls about tags. Belongs to one event loop."""

    def __init__(self, bundles: BundleRegistry, edits: TagEdits, clock: Callable[[], datetime]) -> None:
        self._bundles = bundles
        self._edits = edits
        self._clock = clock
        self._order: tuple[CatalogIndex, list[Position], list[int]] | None = None  # positions and rows of a catalog

    async def change(self, apply: Callable[[EditBatch], T], client: str) -> EditResult[T]:
        """Store and apply the edits of a request, with what `apply` returns; no edits if nothing has to change.

        Raises what `apply` raises, and OvertakenError if other clients were faster in every attempt.
        """
        for _ in range(ATTEMPTS):
            await self._bundles.follow()
            bundle = self._bundles.active
            history = bundle.history
            batch = EditBatch(history.tags, history.last + 1)
            result = await asyncio.to_thread(apply, batch)
            try:
                stored = await self._store(batch.edits, history, client)
            except OvertakenError:
                continue
            return EditResult(result, stored, batch.tags, bundle.version)
        raise _overtaken()

    async def undo(self, number: int, client: str) -> EditResult[tuple[str, ...]]:
        """Undo an edit; the result is the ids of the changed tags. A repeated request returns the stored undo.

        Raises what `EditHistory.without` raises, and OvertakenError if other clients were faster in every attempt.
        """
        for _ in range(ATTEMPTS):
            await self._bundles.follow()
            bundle = self._bundles.active
            history = after = bundle.history
            undo = history.undo_of(number)
            try:
                if undo is None:
                    after = await asyncio.to_thread(history.without, number)
                    [undo] = await self._store([after.edits[-1].record], history, client)
            except OvertakenError:
                continue
            undone = after.edit(number)
            assert undone is not None
            redo = after.undo_of(undo.number)
            return EditResult(undone.touched, (undo,), after.tags, bundle.version, redo.number if redo else None)
        raise _overtaken()

    async def page(self, size: int, token: str, text: str, is_hidden: bool | None) -> TagPage:
        """A page of tags. size: 0 for the default; text: part of a spelling; is_hidden: None for both.

        Raises InvalidRequestError for a token of another listing.
        """
        snapshot = self._bundles.active.snapshot
        query = {"text": text, "hidden": is_hidden}
        start = read_token(token, query, BEFORE_ALL)
        rows, last = await asyncio.to_thread(self._rows_after, snapshot.tags, start, size or PAGE, text, is_hidden)
        next_token = write_token(last, query) if last else ""
        return TagPage(tuple(rows), next_token, snapshot.tags, snapshot.version, snapshot.last_edit)

    async def page_of_edits(self, size: int, token: str, tag_id: str) -> EditPage:
        """A page of edits, latest first. size: 0 for the default; tag_id: empty for those of all tags.

        Raises InvalidRequestError for a token of another listing.
        """
        await self._bundles.follow()
        edits = self._bundles.active.history.edits
        query = {"tag_id": tag_id}
        [end] = read_token(token, query, (len(edits) + 1,))
        earlier = edits[: bisect.bisect_left(edits, end, key=lambda entry: entry.number)]
        of_tag = (entry for entry in reversed(earlier) if not tag_id or entry.record.tag_id == tag_id)
        found = list(islice(of_tag, (size or PAGE) + 1))
        shown = found[: size or PAGE]
        undone_by = {entry.record.undoes: entry.number for entry in edits}
        next_token = write_token((shown[-1].number,), query) if len(found) > len(shown) else ""
        return EditPage(tuple((entry, undone_by.get(entry.number)) for entry in shown), next_token)

    async def _store(
        self, edits: Sequence[TagEdit], history: EditHistory, client: str
    ) -> tuple[Numbered[TagEdit], ...]:
        if not edits:
            return ()
        request_id, at = str(uuid4()), self._clock()
        records = [
            replace(edit, origin=Origin(f"{request_id}/{index}", client, at)) for index, edit in enumerate(edits)
        ]
        entries = await self._edits.append_all(records, seen=history.last)
        await self._bundles.follow()
        return entries

    def _rows_after(
        self, tags: EditedCatalog, start: Position, size: int, text: str, is_hidden: bool | None
    ) -> tuple[list[int], Position | None]:
        """The rows of the page after a position, and the position of its last row if more follow."""
        form = normalise(text)
        rows: list[int] = []
        last: Position | None = None
        for position, row in self._in_order(tags, start):
            if tags.is_gone(row) or (is_hidden is not None and tags.is_hidden(row) != is_hidden):
                continue
            spellings = (tags.name_of(row), *tags.aliases_of(row))
            if form and not any(form in normalise(spelling) for spelling in spellings):
                continue
            if len(rows) == size:
                return rows, last
            rows.append(row)
            last = position
        return rows, None

    def _in_order(self, tags: EditedCatalog, start: Position) -> Iterator[tuple[Position, int]]:
        """The tags after a position, most used first, then by id."""
        order = self._order
        if order is None or order[0] is not tags.index:
            catalog = tags.index.catalog
            counted = zip(catalog.counts, catalog.ids, strict=True)
            by_position = sorted(((-int(count), tag_id), row) for row, (count, tag_id) in enumerate(counted))
            order = tags.index, [position for position, _ in by_position], [row for _, row in by_position]
            self._order = order
        _, positions, rows = order
        first = bisect.bisect_right(positions, start)
        created = sorted(((0, tags.id_of(row)), row) for row in tags.created)
        later = [entry for entry in created if entry[0] > start]
        return heapq.merge(zip(positions[first:], rows[first:], strict=True), later)


def _overtaken() -> OvertakenError:
    return OvertakenError("other clients keep editing tags", "try again later")
