"""A stored answer under the tags as they are now."""

from dataclasses import replace

from tagging.store.database.taggings import Tagging
from tagging.tags.edits.edited_catalog import EditedCatalog
from tagging.types import RankedTag


def with_current_tags(tagging: Tagging, tags: EditedCatalog) -> Tagging:
    """Without the tags that were hidden or taken back since; of those that were merged, what they became.

    Tags that were renamed keep the names that they had.
    """
    kept: dict[str, RankedTag] = {}
    for tag in tagging.answer.tags:
        row = tags.find(tag.tag_id)
        if row is None and tag.is_new:
            kept.setdefault(tag.tag_id, tag)
        elif row is not None and not tags.is_hidden(row):
            now = tags.id_of(row)
            kept.setdefault(now, tag if now == tag.tag_id else replace(tag, tag_id=now, name=tags.name_of(row)))
    return replace(tagging, answer=replace(tagging.answer, tags=tuple(kept.values())))
