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


async def test_every_kind_of_edit_is_stored(database: Database) -> None:
    edits = TagEdits(database)
    await edits.append(edit("first"))
    kinds = [kind for kind in get_args(EditKind) if kind != "undo"]
    for kind in kinds:
        await edits.append(edit(kind, kind=kind))
    await edits.append(edit("undo", kind="undo", undoes=1))
    assert [entry.record.kind for entry in await edits.after(1)] == [*kinds, "undo"]


async def test_an_undo_names_the_edit_that_it_undoes(database: Database) -> None:
    edits = TagEdits(database)
    await edits.append(edit("a"))
    await edits.append(edit("b"))
    undo = await edits.append(edit("undo a", kind="undo", undoes=1))
    assert undo.number == 3
    assert [entry.record.undoes for entry in await edits.after(0)] == [None, None, 1]


async def test_a_repeated_request_for_an_undone_edit_finds_the_same_edit(database: Database) -> None:
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
    assert [entry.record.undoes for entry in await edits.after(0)] == [None, 1, 2]


async def test_an_edit_is_undone_once_and_only_if_it_exists(database: Database) -> None:
    edits = TagEdits(database)
    with pytest.raises(InvalidRecordError, match="no edit 1 "):
        await edits.append(edit("x", kind="undo", undoes=1))  # its own number
    await edits.append(edit("a"))
    await edits.append(edit("undo", kind="undo", undoes=1))
    with pytest.raises(InvalidRecordError, match="edit 1 was already undone by edit 2"):
        await edits.append(edit("again", kind="undo", undoes=1))
    assert await edits.last() == 2


async def test_only_one_of_several_concurrent_undos_succeeds(config: DatabaseConfig) -> None:
    databases = [Database(config) for _ in range(6)]
    await TagEdits(databases[0]).append(edit("a"))
    tries = [
        TagEdits(database).append(edit(f"undo {n}", kind="undo", undoes=1)) for n, database in enumerate(databases)
    ]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["InvalidRecordError"] * 5 + ["Numbered"]
    for database in databases:
        await database.close()


async def test_any_text_of_an_edit_is_read_back_unchanged(database: Database) -> None:
    stored = await TagEdits(database).append(edit("a", after={"name": "\ud83d half \x00 zero 銀", "language": ""}))
    assert await TagEdits(database).after(0) == (stored,)


@pytest.mark.parametrize(
    "payload", [{"x": float("nan")}, {"x": float("inf")}, {"x": b"bytes"}, {"x": "y" * 2**20}, {(1, 2): "x"}]
)
async def test_a_payload_that_is_not_json_or_too_large_is_refused(database: Database, payload: Any) -> None:
    with pytest.raises(InvalidRecordError, match="before"):
        await TagEdits(database).append(edit("a", before=payload))
    assert await TagEdits(database).last() == 0


async def test_an_edit_without_an_origin_is_not_stored(database: Database) -> None:
    with pytest.raises(ValueError, match="without an origin"):
        await TagEdits(database).append(edit("a", origin=None))


@pytest.mark.parametrize("changed", [{"kind": "undo"}, {"undoes": 1}, {"kind": "delete"}])
def test_an_undo_and_only_an_undo_names_an_edit(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="kind"):
        edit("a", **changed)
