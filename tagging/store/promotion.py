"""New tags on disk: a CSV whose column `accept` an editor fills in, and the names that were accepted in it."""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from tagging.errors import InvalidTagsError
from tagging.promotion import NewTag, PromotionRule
from tagging.store.judged import accepted_rows, write_table

DECISION = ("accept", "tag")  # the columns that are read
EVIDENCE = tuple(field.name for field in fields(NewTag) if field.name not in DECISION)


def write_new_tags(path: Path, tags: Iterable[NewTag], rule: PromotionRule) -> None:
    """One row a tag. Where the rule says yes, `accept` says so already and `by` says that it was the rule."""
    write_table(path, DECISION, EVIDENCE, tags, rule.accepts)


def read_accepted_tags(path: Path) -> list[str]:
    """The names of the accepted rows, as they are written there.

    Raises InvalidTagsError for a file that is no such table, an accepted row without a name, and no accepted row.
    """
    names: list[str] = []
    for place, row in accepted_rows(path, DECISION, InvalidTagsError, "tags new"):
        if not row["tag"].strip():
            raise InvalidTagsError(f"{place}: an accepted row needs a tag")
        names.append(row["tag"])
    if not names:
        raise InvalidTagsError(f"{path}: no tag is accepted", "fill in `accept` with yes where a tag is wanted")
    return names
