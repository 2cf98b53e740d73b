import asyncio
from typing import Any, get_args

import pytest

from tagging.errors import InvalidRecordError
from tagging.store.database.config import DatabaseConfig
from tagging.store.database.database import Database
from tagging.store.database.tag_edits import TagEdits
from tagging.tags.edits.edit import EditKind
from tests.support.database_records import edit

pytestmark = pytest.mark.anyio


async def test_every_kind_of_edit_is_kept(database: Database) -> None:
    edits = TagEdits(database)
    await edits.append(edit("first"))
    kinds = [kind for kind in get_args(EditKind) if kind != "undo"]
    for kind in kinds:
        await edits.append(edit(kind, kind=kind))
    await edits.append(edit("undo", kind="undo", undoes=1))
    assert [entry.record.kind for entry in await edits.after(1)] == [*kinds, "undo"]


async def test_an_undo_names_what_it_undoes_and_is_named_there(database: Database) -> None:
    edits = TagEdits(database)
    await edits.append(edit("a"))
    await edits.append(edit("b"))
    undo = await edits.append(edit("undo a", kind="undo", undoes=1))
    assert [e.record.undone_by for e in await edits.after(0)] == [undo.number, None, None]
    found = await edits.get(1)
    assert found is not None
    assert found.record.undone_by == undo.number
    assert await edits.get(99) is None


async def test_an_undone_edit_that_is_sent_again_is_still_the_same(database: Database) -> None:
    edits = TagEdits(database)
    await edits.append(edit("a"))
    undo = await edits.append(edit("undo", kind="undo", undoes=1))
    assert (await edits.append(edit("a"))).number == 1
    assert await edits.append(edit("undo", kind="undo", undoes=1)) == undo
    assert await edits.last() == 2


async def test_an_undo_can_be_undone(database: Database) -> None:
    edits = TagEdits(database)
    await edits.append(edit("a"))
    await edits.append(edit("undo", kind="undo", undoes=1))
    await edits.append(edit("redo", kind="undo", undoes=2))
    assert [e.record.undone_by for e in await edits.after(0)] == [2, 3, None]


async def test_nothing_is_undone_twice_or_that_is_not_there(database: Database) -> None:
    edits = TagEdits(database)
    with pytest.raises(InvalidRecordError, match="no edit 1 "):
        await edits.append(edit("x", kind="undo", undoes=1))  # which would be its own number
    await edits.append(edit("a"))
    await edits.append(edit("undo", kind="undo", undoes=1))
    with pytest.raises(InvalidRecordError, match="edit 1 was undone already, by edit 2"):
        await edits.append(edit("again", kind="undo", undoes=1))
    assert await edits.last() == 2


async def test_of_several_who_undo_the_same_one_does(config: DatabaseConfig) -> None:
    databases = [Database(config) for _ in range(6)]
    await TagEdits(databases[0]).append(edit("a"))
    tries = [TagEdits(one).append(edit(f"undo {n}", kind="undo", undoes=1)) for n, one in enumerate(databases)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["InvalidRecordError"] * 5 + ["Numbered"]
    for database in databases:
        await database.close()


async def test_payloads_come_back_as_json_has_them(database: Database) -> None:
    payload = {"aliases": ("a", "\ud83d", "\x00", "銀"), "n": 1.5, "deep": {"none": None, "big": 2**70}}
    stored = await TagEdits(database).append(edit("a", after=payload))
    [read] = await TagEdits(database).after(0)
    assert read == stored
    assert read.record.after == {**payload, "aliases": ["a", "\ud83d", "\x00", "銀"]}


@pytest.mark.parametrize(
    "payload", [{"x": float("nan")}, {"x": float("inf")}, {"x": b"bytes"}, {"x": "y" * 2**20}, {(1, 2): "x"}]
)
def test_what_is_no_json_or_too_much_is_refused(payload: Any) -> None:
    with pytest.raises(InvalidRecordError, match="before"):
        edit("a", before=payload)


@pytest.mark.parametrize("changed", [{"kind": "undo"}, {"undoes": 1}, {"kind": "delete"}])
def test_only_an_undo_undoes(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="kind"):
        edit("a", **changed)
