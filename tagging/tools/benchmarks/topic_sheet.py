"""A sheet of topics to judge by reading: drawn topics, each with drawn videos of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tagging.store.topic_video import AssignedVideo
from tagging.topics.model import Topic
from tagging.types import LabelledVideo


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A video that is to be judged: does it belong to the topic?"""

    topic: int
    name: str
    tags: str  # of the topic
    video_id: str
    title: str
    video_tags: str


def draw_sheet(
    topics: Sequence[Topic],
    assigned: Sequence[AssignedVideo],
    videos: Mapping[str, LabelledVideo],
    count: int,
    each: int,
    generator: np.random.Generator,
) -> list[SheetRow]:
    """Draw `count` topics, and `each` of the videos that have a topic, which are not only those nearest to it.

    videos: by id; videos that have left the manifest are not drawn
    """
    members: dict[int, list[str]] = {topic.id: [] for topic in topics}
    for video in assigned:
        for topic_id, _ in video.topics:
            if topic_id in members and video.video_id in videos:
                members[topic_id].append(video.video_id)
    filled = [topic for topic in topics if members[topic.id]]
    rows = []
    for position in np.sort(generator.permutation(len(filled))[:count]):
        topic = filled[position]
        ids = members[topic.id]
        rows += [
            SheetRow(
                topic=topic.id,
                name=topic.name,
                tags=", ".join(topic.tags),
                video_id=ids[row],
                title=videos[ids[row]].video.title,
                video_tags=", ".join(videos[ids[row]].tags),
            )
            for row in generator.permutation(len(ids))[:each]
        ]
    return rows
