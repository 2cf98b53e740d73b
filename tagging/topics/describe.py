"""Description of clusters as topics: names, examples, languages and groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tagging.config.topics import TopicsConfig
from tagging.ragged import Ragged
from tagging.tags.catalog import TagCatalog
from tagging.topics.assignment import Assignments
from tagging.topics.model import Topic, TopicGroup
from tagging.topics.naming import examples_of, members_of, tag_frequencies, telling_tags
from tagging.topics.pool import Pool
from tagging.topics.tasks import shares_of
from tagging.types import FloatRows, Indices

NAMED_TAGS = 3  # of a topic, that are its name


@dataclass(frozen=True, slots=True, eq=False)
class ClusteredPool:
    """V videos, each described by the one topic that it is nearest to, although it may be assigned to several."""

    pool: Pool
    catalog: TagCatalog
    tags: Ragged  # V, rows of the catalog
    nearest: Indices  # (V,) row of the nearest topic; -1 for a video of which nothing is known
    similarities: FloatRows  # (V,) to that topic
    assignments: Assignments  # V

    def names_of(self, clusters: Indices, count: int, most: int) -> list[tuple[str, ...]]:
        """Return the most telling tags of clusters; clusters: (V,) the cluster of each video."""
        frequencies = tag_frequencies(clusters, count, self.tags, len(self.catalog))
        return [tuple(self.catalog.names[tag] for tag in tags) for tags in telling_tags(frequencies, most)]


def describe_topics(
    videos: ClusteredPool, ids: Sequence[int], groups: Indices, config: TopicsConfig
) -> tuple[Topic, ...]:
    """Return the K topics; ids: K; groups: (K,) the group of each."""
    count = len(groups)
    names = videos.names_of(videos.nearest, count, config.names)
    sizes = np.bincount(videos.assignments.topics.values, minlength=count)
    rows = videos.pool.videos
    video_ids, titles = [row.video.video_id for row in rows], [row.video.title for row in rows]
    members = members_of(videos.nearest, count)
    topics = []
    for topic in range(count):
        examples = examples_of(members.at(topic), videos.similarities, video_ids, titles, config.examples)
        topics.append(
            Topic(
                id=ids[topic],
                name=_name(names[topic], examples[0].title if examples else ""),
                tags=names[topic],
                videos=int(sizes[topic]),
                examples=examples,
                languages=shares_of([rows[member].language for member in members.at(topic).tolist()]),
                group=int(groups[topic]),
            )
        )
    return tuple(topics)


def describe_groups(
    videos: ClusteredPool, ids: Sequence[int], groups: Indices, config: TopicsConfig
) -> tuple[TopicGroup, ...]:
    """Return the groups of topics; ids: K; groups: (K,) the group of each."""
    count = int(groups.max()) + 1
    names = videos.names_of(np.where(videos.nearest >= 0, groups[videos.nearest], -1), count, config.names)
    return tuple(
        TopicGroup(
            _name(names[group], ""), names[group], tuple(ids[row] for row in np.flatnonzero(groups == group).tolist())
        )
        for group in range(count)
    )


def _name(tags: Sequence[str], title: str) -> str:
    """Return the name of a topic: its first tags, or the title of its most representative video where it has none."""
    return ", ".join(tags[:NAMED_TAGS]) or title or "untitled"
