"""Tokens of pages that no listing gave, and changes beside others' changes."""

import base64
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tagging.errors import InvalidRequestError
from tagging.service.bundles.loaded_bundle import Snapshot
from tagging.service.calls.tags import TagCalls
from tagging.store.database.log import Numbered
from tagging.store.database.tag_edits import TagEdit
from tagging.tags.edits.edit import Edit, NumberedEdit
from tests.support.database_records import NOON
from tests.tagging.tags.edits.test_edited_catalog import Book

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class LoadedBundle:
    """A bundle of no edits."""

    history = Book().history
    tagger: Any = None
    now = Snapshot(tagger, history.tags, "b1", 0)

    @property
    def active(self) -> "LoadedBundle":
        return self

    async def follow(self) -> None:
        """There is nothing to be read."""


def tags() -> TagCalls:
    bundles: Any = LoadedBundle()
    edits: Any = None
    return TagCalls(bundles, edits, lambda: NOON)


def token(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


ALL = {"text": "", "hidden": None}
OF_ALL = {"tag_id": ""}


@pytest.mark.parametrize(
    "place",
    [[5], [], [5, 7], ["5", "a"], [5, "a", "b"], [True, "a"], [5.5, "a"], [None, "a"], {"5": "a"}, 5, "5a", None],
)
async def test_a_place_that_no_listing_ends_at_is_the_callers_fault(place: object) -> None:
    with pytest.raises(InvalidRequestError, match="page_token"):
        await tags().page(0, token([place, ALL]), "", None)
    if place != [5]:
        with pytest.raises(InvalidRequestError, match="page_token"):
            await tags().page_of_edits(0, token([place, OF_ALL]), "")


@pytest.mark.parametrize("text", [b"\xff", b"[" * 700, b"[" * 100_000, b"{}", b"[1]", b"[1,2,3]", b"NaN", b"1" * 700])
async def test_what_is_no_token_at_all_is_the_callers_fault(text: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="page_token"):
        await tags().page(0, base64.urlsafe_b64encode(text).decode(), "", None)


class Switched:
    """Two bundles, of which the other one answers as soon as an edit is stored; it has not read on by then."""

    def __init__(self) -> None:
        self.active: Any = SimpleNamespace(history=Book().history, manifest=SimpleNamespace(version="b1"))
        self.edits: list[Numbered[TagEdit]] = []

    async def follow(self) -> None:
        """There is nothing to be read."""

    async def append_all(self, records: Sequence[TagEdit], seen: int) -> tuple[Numbered[TagEdit], ...]:
        now = Snapshot(LoadedBundle.tagger, LoadedBundle.history.tags, "b2", 0)
        self.active = SimpleNamespace(history=LoadedBundle.history, now=now, manifest=SimpleNamespace(version="b2"))
        self.edits += [Numbered(number, record) for number, record in enumerate(records, seen + 1)]
        return tuple(self.edits[seen:])


async def test_a_change_is_answered_by_the_bundle_that_it_was_asked_of() -> None:
    both: Any = Switched()
    first = both.active.history
    one = TagCalls(both, both, lambda: NOON)
    made: list[str] = []
    changed = await one.change(lambda change: made.append(change.create("fnord")), "who")
    assert changed.tags.name_of(changed.tags.row_of(made[0])) == "fnord"
    assert (changed.bundle_version, len(changed.edits)) == ("b1", 1)
    numbered = NumberedEdit(1, Edit("create", made[0], after={"name": "fnord"}))
    both.active = SimpleNamespace(history=first.then([numbered]), manifest=SimpleNamespace(version="b1"))
    undone = await one.undo(1, "who")
    assert (undone.bundle_version, undone.touched) == ("b1", (made[0],))
    assert undone.tags.find(made[0]) is None
