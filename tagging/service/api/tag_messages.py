"""Protobuf messages of tags and tag edits: conversion from and to values."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from videotag.v1 import tagging_pb2 as pb

from tagging.service.api.validation import check
from tagging.service.api.video_messages import timestamp
from tagging.service.calls.tags import EditPage, EditResult
from tagging.service.errors.text_limits import sendable
from tagging.tags.edits.edit import EditKind, TagEdit
from tagging.tags.edits.edit_batch import EditBatch, TagUpdate
from tagging.tags.edits.edited_catalog import EditedCatalog
from tagging.text.names import not_found_warning
from tagging.types import Numbered

KIND: Mapping[EditKind, pb.TagEditKind.ValueType] = {
    "create": pb.TAG_EDIT_KIND_CREATE,
    "rename": pb.TAG_EDIT_KIND_RENAME,
    "alias": pb.TAG_EDIT_KIND_ADD_ALIAS,
    "unalias": pb.TAG_EDIT_KIND_REMOVE_ALIAS,
    "merge": pb.TAG_EDIT_KIND_MERGE,
    "hide": pb.TAG_EDIT_KIND_HIDE,
    "show": pb.TAG_EDIT_KIND_SHOW,
    "parent": pb.TAG_EDIT_KIND_ADD_PARENT,
    "unparent": pb.TAG_EDIT_KIND_REMOVE_PARENT,
    "describe": pb.TAG_EDIT_KIND_DESCRIBE,
    "undo": pb.TAG_EDIT_KIND_UNDO,
}
# The keys of `before` and `after` that are shown; the other keys of a creation are fields of the tag.
SHOWN = ("name", "alias", "into", "parent_id", "description")

EditTags = Callable[[EditBatch], str]  # returns the id of the edited tag


def read_tag_query(request: pb.ListTagsRequest) -> tuple[int, str, str, bool | None]:
    """The page size, page token, text and hidden state of a listing; raises InvalidRequestError."""
    check(request)
    return request.page_size, request.page_token, request.text, _hidden(request.status)


def read_creation(request: pb.CreateTagRequest) -> EditTags:
    """The edits of CreateTag; raises InvalidRequestError."""
    check(request)
    return lambda batch: batch.create(
        request.name, request.aliases, request.parent_ids, request.language, request.description
    )


def read_update(request: pb.UpdateTagRequest) -> EditTags:
    """The edits of UpdateTag; raises InvalidRequestError."""
    check(request)
    return lambda batch: batch.update(
        request.tag_id,
        TagUpdate(
            name=request.name if request.HasField("name") else None,
            add_aliases=request.add_aliases,
            remove_aliases=request.remove_aliases,
            add_parent_ids=request.add_parent_ids,
            remove_parent_ids=request.remove_parent_ids,
            description=request.description if request.HasField("description") else None,
            hidden=_hidden(request.status),
        ),
    )


def read_merge(request: pb.MergeTagsRequest) -> EditTags:
    """The edits of MergeTags; raises InvalidRequestError."""
    check(request)
    return lambda batch: batch.merge(request.target_id, request.source_ids)


def edited_tag(change: EditResult[str]) -> pb.Tag:
    """The edited tag, as the request left it."""
    return _tag_message(change.tags, change.tags.row_of(change.result))


def warnings_of(change: EditResult[str]) -> tuple[str, ...]:
    """Reasons for which the edited tag may never be proposed."""
    row = change.tags.row_of(change.result)
    spellings = (change.tags.name_of(row), *change.tags.aliases_of(row))
    return tuple(map(sendable, not_found_warning(spellings)))


def undone_tags(change: EditResult[tuple[str, ...]]) -> list[pb.Tag]:
    """The tags that an undo changed and that still exist."""
    rows = dict.fromkeys(map(change.tags.find, change.result))
    return tag_messages(change.tags, (row for row in rows if row is not None))


def tag_messages(tags: EditedCatalog, rows: Iterable[int]) -> list[pb.Tag]:
    """The messages of the tags in some rows."""
    return [_tag_message(tags, row) for row in rows]


def edit_message(entry: Numbered[TagEdit], undone_by: int | None = None) -> pb.TagEdit:
    """The message of a stored edit; undone_by: the number of the edit that undid it."""
    edit = entry.record
    if edit.origin is None:
        raise ValueError(f"edit {entry.number} was not stored")
    return pb.TagEdit(
        number=entry.number,
        kind=KIND[edit.kind],
        tag_id=edit.tag_id,
        before=_shown(edit.before),
        after=_shown(edit.after),
        undoes=edit.undoes,
        undone_by=undone_by,
        client=sendable(edit.origin.client),
        made_at=timestamp(edit.origin.at),
    )


def edit_messages(entries: Sequence[Numbered[TagEdit]]) -> list[pb.TagEdit]:
    """The messages of edits that were just stored."""
    return [edit_message(entry) for entry in entries]


def listed_edits(page: EditPage) -> list[pb.TagEdit]:
    """The messages of a page of edits."""
    return [edit_message(entry, undone_by) for entry, undone_by in page.edits]


def _tag_message(tags: EditedCatalog, row: int) -> pb.Tag:
    counts = tags.index.catalog.counts
    return pb.Tag(
        id=tags.id_of(row),
        name=sendable(tags.name_of(row)),
        aliases=map(sendable, tags.aliases_of(row)),
        parent_ids=[tags.id_of(parent) for parent in tags.parents_of(row)],
        language=sendable(tags.language_of(row)),
        description=sendable(tags.description_of(row)),
        videos=int(counts[row]) if row < len(counts) else 0,
        status=pb.TAG_STATUS_HIDDEN if tags.is_hidden(row) else pb.TAG_STATUS_ACTIVE,
        last_edit=tags.last_edit_of(row),
    )


def _shown(change: Mapping[str, object]) -> str:
    return next((sendable(str(change[key])) for key in SHOWN if key in change), "")


def _hidden(status: pb.TagStatus.ValueType) -> bool | None:
    return None if status == pb.TAG_STATUS_UNSPECIFIED else status == pb.TAG_STATUS_HIDDEN
