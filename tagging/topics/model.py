"""Topic model in memory: from a video's embeddings and tags to its topics, without a refit.

VideoEmbeddings, tags → a = [z ‖ e] → topics
"""

from collections.abc import Mapping
from dataclasses import dataclass

from tagging.topics.assignment import Assignments, assign
from tagging.topics.naming import Example
from tagging.topics.representation import TopicRows
from tagging.topics.space import TopicSpace
from tagging.types import FloatRows


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as people see it."""

    id: int  # stable across refits
    name: str
    tags: tuple[str, ...]  # most telling first
    videos: int  # of the pool that have it
    examples: tuple[Example, ...]
    languages: Mapping[str, float]  # share of its videos by language; {} where none is stated
    group: int  # row of `TopicModel.groups`


@dataclass(frozen=True, slots=True)
class TopicGroup:
    """Topics that are near each other."""

    name: str
    tags: tuple[str, ...]
    topics: tuple[int, ...]  # ids


@dataclass(frozen=True, slots=True, eq=False)
class TopicModel:
    """K topics of a pool, and all that assigns them to a new video."""

    space: TopicSpace
    centres: FloatRows  # (K, Z + E)
    thresholds: Mapping[str, float]  # by the halves that a video has
    topics: tuple[Topic, ...]  # K
    groups: tuple[TopicGroup, ...]

    def __post_init__(self) -> None:
        if self.centres.shape != (len(self.topics), self.space.width):
            raise ValueError(f"{len(self.topics)} topics of width {self.space.width}, centres {self.centres.shape}")

    def assign(self, rows: TopicRows) -> Assignments:
        """Return the topics of V videos that `space` represents."""
        return assign(rows, self.centres, self.thresholds)
