"""Videos of topics, as the database holds them: the topics of a video, and a video of a topic with its engagement."""

from dataclasses import dataclass
from datetime import datetime

from tagging.store.engagement import Engagement


@dataclass(frozen=True, slots=True)
class AssignedVideo:
    """The topics of a video."""

    video_id: str
    topics: tuple[tuple[int, float], ...]  # id and similarity, best first; none is possible


@dataclass(frozen=True, slots=True)
class TopicVideo:
    """A video of a topic."""

    video_id: str
    added_at: datetime  # when it was first assigned to any topic
    engagement: Engagement
