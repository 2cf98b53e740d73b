"""Decisions of an editor: which tags of a video were accepted, rejected and added, in the order of the key strokes.

A decision is never changed; a later one about the same tag replaces it, so undo is to drop the last.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from tagging.types import VideoRef

Verdict = Literal["accepted", "rejected", "added"]
VERDICTS: tuple[Verdict, ...] = ("accepted", "rejected", "added")


@dataclass(frozen=True, slots=True)
class JudgedTag:
    """A tag under the name that the editor saw."""

    tag_id: str | None  # None: the catalog had no such tag
    name: str


@dataclass(frozen=True, slots=True)
class Decision:
    """One key stroke."""

    key: str  # of the tag, unique among those of a video
    tag: JudgedTag
    verdict: Verdict | None  # None: withdrawn


@dataclass(frozen=True, slots=True)
class Draft:
    """The decisions about the video that an editor is looking at."""

    video_id: str
    decisions: tuple[Decision, ...] = ()

    def with_decision(self, decision: Decision) -> "Draft":
        return replace(self, decisions=(*self.decisions, decision))

    def without_last(self) -> "Draft":
        return replace(self, decisions=self.decisions[:-1])

    def verdicts(self) -> Mapping[str, Decision]:
        """Return the decision that counts of each tag, by key, in the order in which the tags were first decided."""
        last = {decision.key: decision for decision in self.decisions}
        return {key: decision for key, decision in last.items() if decision.verdict is not None}

    def of_verdict(self, verdict: Verdict) -> tuple[Decision, ...]:
        return tuple(decision for decision in self.verdicts().values() if decision.verdict == verdict)


@dataclass(frozen=True, slots=True)
class ReviewedVideo:
    """The feedback on one video, confirmed by the editor. It may be empty: the editor had nothing to say."""

    video: VideoRef
    bundle_version: str  # of the answer that the editor saw
    feedback_id: str  # unique; feedback that is sent twice is stored once
    at: str  # ISO 8601, UTC
    draft: Draft
