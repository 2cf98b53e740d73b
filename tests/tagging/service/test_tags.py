"""Tokens of pages that no listing gave."""

import base64
import json
from typing import Any

import pytest

from tagging.errors import InvalidRequestError
from tagging.service.bundles import Moment
from tagging.service.tags import Tags
from tests.tagging.edits.test_edits import Book
from tests.tagging.store.database.records import NOON

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Held:
    """A bundle of no edits."""

    history = Book().history
    tagger: Any = None
    now = Moment(tagger, history.tags, "b1", 0)

    @property
    def active(self) -> "Held":
        return self

    async def follow(self) -> None:
        """There is nothing to be read."""


def tags() -> Tags:
    bundles: Any = Held()
    edits: Any = None
    return Tags(bundles, edits, lambda: NOON)


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
