"""What people did to the tags: an audit that nothing is taken out of, and what a service lays over its catalog.

An undo is an edit like others, which names the one that it undoes. The edit that is undone stays as it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import Connection, RowMapping, Select, select

from tagging.errors import InvalidRecordError
from tagging.store.database.log import Log, Numbered
from tagging.store.database.schema import tag_edits
from tagging.store.database.texts import plain_json, require_client_name, require_text, require_time
from tagging.tags.edits.edit import EditKind


@dataclass(frozen=True, slots=True)
class TagEdit:
    """`before` and `after` are what of the tag the edit changed, as JSON; their meaning is that of the kind."""

    request_id: str
    kind: EditKind
    tag_id: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    who: str
    at: datetime
    undoes: int | None = None  # number of the edit that this one takes back; of undo alone
    undone_by: int | None = None  # number of the edit that took this one back; known when it is read

    def __post_init__(self) -> None:
        """Raises InvalidRecordError."""
        for name in ("request_id", "tag_id"):
            require_text(name, getattr(self, name))
        require_client_name(self.who)
        if self.kind not in get_args(EditKind):
            raise ValueError(f"no kind of edit: {self.kind!r}")
        if (self.kind == "undo") != (self.undoes is not None):
            raise ValueError(f"kind {self.kind!r} that undoes {self.undoes}")
        require_time(self.at)
        for name in ("before", "after"):
            object.__setattr__(self, name, plain_json(name, getattr(self, name)))


class TagEdits(Log[TagEdit]):
    table = tag_edits

    async def get(self, number: int) -> Numbered[TagEdit] | None:
        statement = self._select().where(tag_edits.c.number == number)
        row = await self._database.read(lambda connection: connection.execute(statement).mappings().one_or_none())
        return self._entry(row) if row else None

    def _row(self, record: TagEdit) -> Mapping[str, Any]:
        return {
            "request_id": record.request_id,
            "kind": record.kind,
            "tag_id": record.tag_id,
            "before": record.before,
            "after": record.after,
            "undoes": record.undoes,
            "who": record.who,
            "at": record.at,
        }

    def _record(self, row: RowMapping) -> TagEdit:
        return TagEdit(
            row["request_id"],
            row["kind"],
            row["tag_id"],
            row["before"],
            row["after"],
            row["who"],
            row["at"],
            row["undoes"],
            row["undone_by"],
        )

    def _select(self) -> Select[Any]:
        return _WITH_UNDO

    def _comparable(self, record: TagEdit) -> TagEdit:
        return replace(record, undone_by=None)

    def _check(self, connection: Connection, record: TagEdit) -> None:
        if record.undoes is None:
            return
        statement = self._select().where(tag_edits.c.number == record.undoes)
        row = connection.execute(statement).mappings().one_or_none()
        if row is None:
            raise InvalidRecordError(f"there is no edit {record.undoes} to undo")
        if row["undone_by"] is not None:
            raise InvalidRecordError(f"edit {record.undoes} was undone already, by edit {row['undone_by']}")


_undo = tag_edits.alias("undo")
_WITH_UNDO = select(tag_edits, _undo.c.number.label("undone_by")).select_from(
    tag_edits.outerjoin(_undo, _undo.c.undoes == tag_edits.c.number)
)
