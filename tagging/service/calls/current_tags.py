"""Stored taggings under the current tags: hidden and undone tags removed, merged tags replaced."""

from dataclasses import replace

from tagging.store.database.taggings import Tagging
from tagging.tags.edits.edited_catalog import EditedCatalog
from tagging.types import RankedTag


def with_current_tags(tagging: Tagging, tags: EditedCatalog) -> Tagging:
    """Return the tagging without tags that were hidden or undone since, and with the targets of merged tags.

    Tags that were renamed keep the names that they had.
    """
    current: dict[str, RankedTag] = {}
    for tag in tagging.answer.tags:
        row = tags.find(tag.tag_id)
        if row is None and tag.is_new:
            current.setdefault(tag.tag_id, tag)
        elif row is not None and not tags.is_hidden(row):
            tag_id = tags.id_of(row)
            same = tag_id == tag.tag_id
            current.setdefault(tag_id, tag if same else replace(tag, tag_id=tag_id, name=tags.name_of(row)))
    return replace(tagging, answer=replace(tagging.answer, tags=tuple(current.values())))
