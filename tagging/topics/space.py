"""Topic space: the learnt representation in which topics are clusters, and its learning.

videos → tags that say something → tag vectors, tasks → mixture of experts → a = [z ‖ e]
"""

import logging
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.config.random_streams import Stream
from tagging.config.topics import MmoeConfig, TopicsConfig
from tagging.errors import InvalidManifestError, NothingToLearnError
from tagging.progress import Progress
from tagging.ragged import Ragged, starts_of
from tagging.tags.catalog import TagCatalog, build_catalog
from tagging.text.normalise import normalise
from tagging.topics.cohesion import cohesive_tags
from tagging.topics.content import ContentRows, dims_of
from tagging.topics.mmoe import Mmoe
from tagging.topics.pool import Pool
from tagging.topics.representation import TopicRows, join, pool_means
from tagging.topics.tag_vectors import fit_tag_vectors, mean_tag_vectors
from tagging.topics.tasks import Task, task_of_tags, tasks_of
from tagging.topics.train import fit_mmoe
from tagging.types import FloatRows, VideoEmbeddings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class TopicSpace:
    """The mixture of experts for the content of a video, and vectors for its tags."""

    mmoe: Mmoe
    catalog: TagCatalog  # N tags
    tag_vectors: FloatRows  # (N, E) unit rows, zeros for a tag without a vector
    means: FloatRows  # (Z + E,) of the pool that it was learnt from

    def __post_init__(self) -> None:
        if len(self.tag_vectors) != len(self.catalog) or self.means.shape != (self.width,):
            raise ValueError(
                f"{len(self.catalog)} tags, tag vectors {self.tag_vectors.shape}, means {self.means.shape}"
            )

    @property
    def width(self) -> int:
        """The width of a representation, Z + E."""
        return self.mmoe.width + int(self.tag_vectors.shape[1])

    def represent(self, videos: Sequence[VideoEmbeddings], tags: Sequence[Mapping[str, float]]) -> TopicRows:
        """Return the representations of V videos; tags: names and confidences of each, {} for none."""
        lists, confidences = tag_lists(self.catalog, tags)
        content = ContentRows.of(videos, self.mmoe.dims)
        return join(self.mmoe.represent(content), mean_tag_vectors(self.tag_vectors, lists, confidences), self.means)


@dataclass(frozen=True, slots=True, eq=False)
class LearntSpace:
    """A space and the pool that it was learnt from."""

    space: TopicSpace
    tags: Ragged  # V, rows of the catalog
    rows: TopicRows  # V
    left_out: tuple[str, ...]  # tags that say nothing about their videos


def learn_space(pool: Pool, config: TopicsConfig, progress: Progress) -> LearntSpace:
    """Learn tag vectors and the mixture of experts, and represent the pool.

    Raises InvalidManifestError for a pool without tags, or in which no labelled video has content.
    """
    catalog, tags = build_catalog((list(tags) for tags in pool.tags), config.min_tag_videos)
    if not len(catalog):
        raise InvalidManifestError(
            f"no tag is on {config.min_tag_videos} of the {len(pool)} videos",
            "topics are named and joined by tags: tag the videos with `videotag batch`, and give them as --predicted",
        )
    content = ContentRows.of(pool.embeddings, dims_of(pool.embeddings))
    generator = np.random.default_rng([config.seed, Stream.TOPIC_COHESION])
    cohesive = cohesive_tags(tags, catalog.counts, content, config.least_cohesion, generator)
    left_out = tuple(catalog.names[row] for row in np.flatnonzero(~cohesive).tolist())
    if left_out:
        logger.info("%d tags say nothing about their videos: %s", len(left_out), ", ".join(left_out))
    catalog = catalog.only(np.flatnonzero(cohesive))
    tags, confidences = tag_lists(catalog, pool.tags)
    walks = np.random.default_rng([config.seed, Stream.TOPIC_TAG_WALKS])
    vectors = fit_tag_vectors(tags, len(catalog), pool.uploaders(), config.walks, walks, progress)
    tasks = pool_tasks(pool, catalog, tags, config.mmoe)
    if "category" not in tasks:
        logger.warning("no two categories are stated: content is represented by the tags that it suggests")
    try:
        generator = np.random.default_rng([config.seed, Stream.TOPIC_TRAINING])
        mmoe = fit_mmoe(content, tasks, config.mmoe, generator, progress)
    except NothingToLearnError as error:
        raise InvalidManifestError(
            f"{error}: nothing to learn topics from",
            f"give more videos; a tag counts from {config.mmoe.min_tag_videos} videos on (mmoe.min_tag_videos)",
        ) from error
    z, e = mmoe.represent(content), mean_tag_vectors(vectors, tags, confidences)
    means = pool_means(z, e)
    return LearntSpace(TopicSpace(mmoe, catalog, vectors, means), tags, join(z, e, means), left_out)


def pool_tasks(pool: Pool, catalog: TagCatalog, tags: Ragged, config: MmoeConfig) -> dict[str, Task]:
    """Return the tasks of the mixture of experts, from coarse to fine."""
    return tasks_of(
        [video.category for video in pool.videos],
        [video.subcategory for video in pool.videos],
        task_of_tags(tags, catalog.counts, config.most_tags, config.min_tag_videos),
    )


def tag_lists(catalog: TagCatalog, tags: Sequence[Mapping[str, float]]) -> tuple[Ragged, NDArray[np.float64]]:
    """Return the catalog rows of the known tags of V videos, each once, and their confidences (pairs,)."""
    rows_of = catalog.rows_by_spelling
    lengths, rows, confidences = array("q"), array("q"), array("d")
    for names in tags:
        found: dict[int, float] = {}
        for name, confidence in names.items():
            row = rows_of.get(normalise(name))
            if row is not None:
                found[row] = max(confidence, found.get(row, 0.0))
        lengths.append(len(found))
        rows.extend(found)
        confidences.extend(found.values())
    return Ragged(starts_of(lengths), np.array(rows, np.int64)), np.array(confidences, np.float64)
