"""Calls about tags: what there is, page by page, and changes of it, each whole or not at all."""

import asyncio
import base64
import bisect
import heapq
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast
from uuid import uuid4

from tagging.errors import InvalidRequestError, OvertakenError
from tagging.service.bundles.registry import BundleRegistry
from tagging.store.database.log import Numbered
from tagging.store.database.tag_edits import TagEdit, TagEdits
from tagging.tags.edits.edit import Edit
from tagging.tags.edits.edit_batch import EditBatch
from tagging.tags.edits.edited_catalog import CatalogIndex, EditedCatalog
from tagging.tags.edits.history import EditHistory
from tagging.text import normalise

T = TypeVar("T", bound=tuple[Any, ...])

PAGE = 100
ATTEMPTS = 20  # of a change, while others change tags, too

Place = tuple[int, str]  # of a tag in a listing: less its videos, then its id


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change came to, in the bundle that it was asked of; meanwhile another may answer, or others undo it."""

    edits: tuple[Numbered[TagEdit], ...]
    tags: EditedCatalog
    bundle_version: str
    touched: tuple[str, ...] = ()  # of an undo: ids of the tags that are not as they were before


@dataclass(frozen=True, slots=True)
class Page:
    rows: tuple[int, ...]
    next_token: str
    tags: EditedCatalog
    bundle_version: str
    last_edit: int


@dataclass(frozen=True, slots=True)
class EditPage:
    edits: tuple[Numbered[TagEdit], ...]
    next_token: str


class TagCalls:
    def __init__(self, bundles: BundleRegistry, edits: TagEdits, clock: Callable[[], datetime]) -> None:
        self._bundles = bundles
        self._edits = edits
        self._clock = clock
        self._orders: dict[int, tuple[CatalogIndex, list[Place], list[int]]] = {}

    async def change(self, ask: Callable[[EditBatch], None], who: str) -> Changed:
        """The edits that a request leads to, all of them stored and applied; none where all is as asked.

        Raises what `ask` does, and OvertakenError where others were faster again and again.
        """
        for _ in range(ATTEMPTS):
            await self._bundles.follow()
            held = self._bundles.active
            history = held.history
            change = EditBatch(history.tags, history.last + 1)
            await asyncio.to_thread(ask, change)
            try:
                edits = await self._store(change.edits, history, who) if change.edits else ()
            except OvertakenError:
                continue
            return Changed(edits, change.tags, held.manifest.version)
        raise OvertakenError("others change tags all the time", "try again in a while")

    async def undo(self, number: int, who: str) -> Changed:
        """Take an edit back; asked again, the edit that took it back. Raises as History.without does."""
        for _ in range(ATTEMPTS):
            await self._bundles.follow()
            held = self._bundles.active
            history = held.history
            done = history.undone_by(number)
            edits: tuple[Numbered[TagEdit], ...]
            try:
                if done is not None:
                    entry = await self._edits.get(done)
                    assert entry is not None
                    edits, after = (entry,), history
                else:
                    after = await asyncio.to_thread(history.without, number)
                    edits = await self._store([after.edits[-1].edit], history, who)
            except OvertakenError:
                continue
            undone = after.edit(number)
            assert undone is not None
            return Changed(edits, after.tags, held.manifest.version, undone.touched)
        raise OvertakenError("others change tags all the time", "try again in a while")

    async def page(self, size: int, token: str, text: str, is_hidden: bool | None) -> Page:
        """size: 0 for the usual; text: part of a spelling; is_hidden: None for both"""
        moment = self._bundles.active.now
        asked = {"text": text, "hidden": is_hidden}
        start = _read_token(token, asked, (-(2**62), ""))
        rows, last = await asyncio.to_thread(self._rows_after, moment.tags, start, size or PAGE, text, is_hidden)
        next_token = _write_token(list(last), asked) if last else ""
        return Page(tuple(rows), next_token, moment.tags, moment.version, moment.last_edit)

    async def page_of_edits(self, size: int, token: str, tag_id: str) -> EditPage:
        """The latest first; tag_id: "" for all"""
        await self._bundles.follow()
        edits = self._bundles.active.history.edits
        [below] = _read_token(token, {"tag_id": tag_id}, (len(edits) + 1,))
        found: list[Numbered[TagEdit]] = []
        for one in reversed(edits[: bisect.bisect_left(edits, below, key=lambda edit: edit.number)]):
            if not tag_id or one.edit.tag_id == tag_id:
                entry = await self._edits.get(one.number)
                assert entry is not None
                found.append(entry)
                if len(found) > (size or PAGE):
                    break
        shown = found[: size or PAGE]
        more = len(found) > len(shown)
        return EditPage(tuple(shown), _write_token([shown[-1].number], {"tag_id": tag_id}) if more else "")

    async def _store(self, edits: Sequence[Edit], history: EditHistory, who: str) -> tuple[Numbered[TagEdit], ...]:
        request, at = str(uuid4()), self._clock()
        records = [
            TagEdit(f"{request}/{place}", one.kind, one.tag_id, one.before, one.after, who, at, one.undoes)
            for place, one in enumerate(edits)
        ]
        entries = await self._edits.append_all(records, seen=history.last)
        await self._bundles.follow()
        return entries

    def _rows_after(
        self, tags: EditedCatalog, start: Place, size: int, text: str, is_hidden: bool | None
    ) -> tuple[list[int], Place | None]:
        """A page of rows behind a place, and the place of the last, where there are more."""
        form = normalise(text)
        rows: list[int] = []
        last: Place | None = None
        for place, row in self._in_order(tags, start):
            if tags.is_gone(row) or (is_hidden is not None and tags.is_hidden(row) != is_hidden):
                continue
            if form and not any(form in normalise(one) for one in (tags.name_of(row), *tags.aliases_of(row))):
                continue
            if len(rows) == size:
                return rows, last
            rows.append(row)
            last = place
        return rows, None

    def _in_order(self, tags: EditedCatalog, start: Place) -> Iterator[tuple[Place, int]]:
        """The most used first, then by id; behind a place."""
        key = id(tags.index)
        if key not in self._orders or self._orders[key][0] is not tags.index:
            catalog = tags.index.catalog
            order = sorted(
                ((-int(count), one), row)
                for row, (count, one) in enumerate(zip(catalog.counts, catalog.ids, strict=True))
            )
            self._orders = {key: (tags.index, [place for place, _ in order], [row for _, row in order])}
        _, places, rows = self._orders[key]
        first = bisect.bisect_right(places, start)
        created = sorted(((0, tags.id_of(row)), row) for row in tags.created)
        behind = [one for one in created if one[0] > start]
        return heapq.merge(zip(places[first:], rows[first:], strict=True), behind)


def _write_token(place: list[object], asked: object) -> str:
    return base64.urlsafe_b64encode(json.dumps([place, asked]).encode()).decode()


def _read_token(token: str, asked: object, first: T) -> T:
    """The place that an earlier page ended at; InvalidRequestError for what is no token of this listing.

    first: where a listing begins, a tuple
    """
    if not token:
        return first
    try:
        place, of = json.loads(base64.urlsafe_b64decode(token.encode()))
        if of == asked and [type(part) for part in place] == [type(part) for part in first]:
            return cast(T, tuple(place))
    except (ValueError, TypeError, RecursionError):
        pass
    told = "not one that this listing gave"
    raise InvalidRequestError(f"page_token: {told}", "begin anew", {"page_token": told})
