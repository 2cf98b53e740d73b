"""Page tokens that no listing returned, and edits while another bundle is activated."""

import base64
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tagging.errors import InvalidRequestError
from tagging.service.bundles.loaded_bundle import Snapshot
from tagging.service.calls.tags import TagCalls
from tagging.tags.edits.edit import TagEdit
from tagging.types import Numbered
from tests.support.database_records import NOON
from tests.support.tag_edits import Editor

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class BundleWithoutEdits:
    """A loaded bundle without edits."""

    history = Editor().history
    tagger: Any = None
    snapshot = Snapshot(tagger, history.tags, "b1", 0)

    @property
    def active(self) -> "BundleWithoutEdits":
        return self

    async def follow(self) -> None:
        """Do nothing: the log is empty."""


def tags() -> TagCalls:
    bundles: Any = BundleWithoutEdits()
    edits: Any = None
    return TagCalls(bundles, edits, lambda: NOON)


def token(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


ALL = {"text": "", "hidden": None}
EDITS_OF_ALL = {"tag_id": ""}


@pytest.mark.parametrize(
    "position",
    [[5], [], [5, 7], ["5", "a"], [5, "a", "b"], [True, "a"], [5.5, "a"], [None, "a"], {"5": "a"}, 5, "5a", None],
)
async def test_a_position_that_no_page_ends_at_is_an_invalid_request(position: object) -> None:
    with pytest.raises(InvalidRequestError, match="page_token"):
        await tags().page(0, token([position, ALL]), "", None)
    if position != [5]:
        with pytest.raises(InvalidRequestError, match="page_token"):
            await tags().page_of_edits(0, token([position, EDITS_OF_ALL]), "")


@pytest.mark.parametrize("text", [b"\xff", b"[" * 700, b"[" * 100_000, b"{}", b"[1]", b"[1,2,3]", b"NaN", b"1" * 700])
async def test_a_malformed_token_is_an_invalid_request(text: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="page_token"):
        await tags().page(0, base64.urlsafe_b64encode(text).decode(), "", None)


class Switched:
    """Two bundles; the second becomes active when an edit is stored, which it has not applied yet."""

    def __init__(self) -> None:
        self.active: Any = SimpleNamespace(history=Editor().history, version="b1")
        self.edits: list[Numbered[TagEdit]] = []

    async def follow(self) -> None:
        """Do nothing: the log is empty."""

    async def append_all(self, records: Sequence[TagEdit], seen: int) -> tuple[Numbered[TagEdit], ...]:
        self.active = SimpleNamespace(history=BundleWithoutEdits.history, version="b2")
        self.edits += [Numbered(number, record) for number, record in enumerate(records, seen + 1)]
        return tuple(self.edits[seen:])


async def test_a_change_is_answered_by_the_bundle_that_it_was_applied_to() -> None:
    bundles: Any = Switched()
    first = bundles.active.history
    calls = TagCalls(bundles, bundles, lambda: NOON)
    change = await calls.change(lambda batch: batch.create("fnord"), "client")
    assert change.tags.name_of(change.tags.row_of(change.result)) == "fnord"
    assert (change.bundle_version, len(change.edits)) == ("b1", 1)
    created = Numbered(1, TagEdit("create", change.result, after={"name": "fnord"}))
    bundles.active = SimpleNamespace(history=first.then([created]), version="b1")
    undo = await calls.undo(1, "client")
    assert (undo.bundle_version, undo.result) == ("b1", (change.result,))
    assert undo.tags.find(change.result) is None
