"""Tag edit log: the audit trail of all tag edits, which a service replays over its catalog.

An undo is an edit like any other and names the edit that it undoes, which stays in the log unchanged.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, select

from tagging.errors import InvalidRecordError
from tagging.store.database.log import Log
from tagging.store.database.schema import tag_edits
from tagging.store.database.texts import plain_json, require_text
from tagging.tags.edits.edit import TagEdit
from tagging.types import Origin


class TagEdits(Log[TagEdit]):
    """The log of tag edits."""

    table = tag_edits

    def _content(self, record: TagEdit) -> Mapping[str, Any]:
        require_text("tag_id", record.tag_id)
        return {
            "kind": record.kind,
            "tag_id": record.tag_id,
            "before": plain_json("before", record.before),
            "after": plain_json("after", record.after),
            "undoes": record.undoes,
        }

    def _record(self, row: RowMapping, origin: Origin) -> TagEdit:
        return TagEdit(row["kind"], row["tag_id"], row["before"], row["after"], row["undoes"], origin)

    def _check(self, connection: Connection, record: TagEdit) -> None:
        if record.undoes is None:
            return
        number = tag_edits.c.number
        if connection.execute(select(number).where(number == record.undoes)).one_or_none() is None:
            raise InvalidRecordError(f"there is no edit {record.undoes} to undo")
        undo = connection.execute(select(number).where(tag_edits.c.undoes == record.undoes)).scalar_one_or_none()
        if undo is not None:
            raise InvalidRecordError(f"edit {record.undoes} was already undone by edit {undo}")
