"""Topics of KuaiRand's videos, which have category numbers and neither text, frames nor sound.

They are those of "Multimodal Topic Learning for Video Recommendation" (section III: K-means over content and the tag
graph's vectors) with one difference: in the place of content stand vectors of the graph of videos that the same users
watched, by the same random walks. Histories end before the first impression that is used, so nothing is learnt from
later views.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from tagging.config.random_streams import Stream
from tagging.config.recall import DeepWalkConfig
from tagging.progress import Progress
from tagging.ragged import Ragged
from tagging.topics.clusters import fit_centres, nearest_centres, topic_count
from tagging.topics.representation import join, pool_means
from tagging.topics.tag_vectors import fit_tag_vectors, mean_tag_vectors

WALKS = DeepWalkConfig(weight="videos", dim=32, walks=4, length=40)  # shorter than the default, for time


def fit_topics(
    tags: Mapping[int, Sequence[str]], histories: Sequence[Sequence[int]], seed: int, progress: Progress
) -> dict[int, int | None]:
    """Return the topic of each video; None for a video without tags that no user watched.

    tags: of each video; histories: the videos of each user, of which those without an entry in `tags` are left out
    """
    videos = {video: row for row, video in enumerate(tags)}
    names = {tag: row for row, tag in enumerate(sorted({tag for values in tags.values() for tag in values}))}
    tag_lists = Ragged.of([[names[tag] for tag in values] for values in tags.values()])
    watched = Ragged.of([sorted({videos[video] for video in history if video in videos}) for history in histories])
    walks = np.random.default_rng([seed, Stream.TOPIC_TAG_WALKS])
    # Users take the place of videos, and videos that of tags: an edge is the number of users who watched both.
    together = fit_tag_vectors(watched, len(videos), np.arange(len(watched)), WALKS, walks, progress)
    tag_vectors = fit_tag_vectors(tag_lists, len(names), np.arange(len(videos)), WALKS, walks, progress)
    by_tags = mean_tag_vectors(tag_vectors, tag_lists)
    rows = join(together, by_tags, pool_means(together, by_tags))
    centres = fit_centres(rows, topic_count(len(videos)), np.random.default_rng([seed, Stream.TOPIC_CLUSTERS]))
    nearest, _ = nearest_centres(rows, centres)
    return {video: int(nearest[row]) if rows.known[row] else None for video, row in videos.items()}
