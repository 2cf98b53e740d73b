"""Tag edits: one change of one tag, as it is applied to a catalog, logged and listed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from tagging.types import Origin

EditKind = Literal[
    "create", "rename", "alias", "unalias", "merge", "hide", "show", "parent", "unparent", "describe", "undo"
]


@dataclass(frozen=True, slots=True)
class TagEdit:
    """One change of one tag. `before` and `after` hold the part of the tag that the edit changed:

    create    after: name, language
    rename    before, after: name; the old name becomes an alias
    alias     after: alias           unalias    before: alias
    merge     before: name           after: into, the id of the tag that it is merged into
    parent    after: parent_id       unparent   before: parent_id
    describe  before, after: description
    hide, show, undo: nothing
    """

    kind: EditKind
    tag_id: str
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    undoes: int | None = None  # number of the edit that this one reverts; for undo only
    origin: Origin | None = None  # None until a request stores the edit

    def __post_init__(self) -> None:
        """Raises ValueError for an unknown kind, and for an undo that names no edit, or another kind that does."""
        if self.kind not in get_args(EditKind):
            raise ValueError(f"unknown kind of edit {self.kind!r}")
        if (self.kind == "undo") != (self.undoes is not None):
            raise ValueError(f"an edit of kind {self.kind!r} that undoes {self.undoes}")

    @property
    def touched(self) -> tuple[str, ...]:
        """The ids of the tags that the edit changed."""
        return (self.tag_id, self.after["into"]) if self.kind == "merge" else (self.tag_id,)
