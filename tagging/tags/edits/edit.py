"""One change of one tag, as it is kept for ever."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

EditKind = Literal[
    "create", "rename", "alias", "unalias", "merge", "hide", "show", "parent", "unparent", "describe", "undo"
]


@dataclass(frozen=True, slots=True)
class Edit:
    """`before` and `after` are what of the tag the edit changed:

    create    after: name, language
    rename    before, after: name; the old one is an alias from then on
    alias     after: alias           unalias    before: alias
    merge     before: name           after: into, the id of the tag that it becomes
    parent    after: parent_id       unparent   before: parent_id
    describe  before, after: description
    hide, show, undo: nothing
    """

    kind: EditKind
    tag_id: str
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    undoes: int | None = None  # number of the edit that this one takes back; of undo alone

    @property
    def touched(self) -> tuple[str, ...]:
        """Ids of the tags that are not as they were before."""
        return (self.tag_id, self.after["into"]) if self.kind == "merge" else (self.tag_id,)


@dataclass(frozen=True, slots=True)
class NumberedEdit:
    number: int  # rising from 1
    edit: Edit
