"""Learning of a topic model from a pool of videos in memory: space → centres → ids → names."""

from dataclasses import dataclass

import numpy as np

from tagging.config.random_streams import Stream
from tagging.config.topics import TopicsConfig
from tagging.progress import Progress
from tagging.topics.assignment import Assignments, assign, calibrate
from tagging.topics.clusters import fit_centres, nearest_centres, topic_count
from tagging.topics.describe import ClusteredPool, describe_groups, describe_topics
from tagging.topics.hierarchy import group_centres
from tagging.topics.identity import Lineage, first_lineage, match, overlaps
from tagging.topics.model import TopicModel
from tagging.topics.naming import members_of
from tagging.topics.pool import Pool
from tagging.topics.representation import TopicRows
from tagging.topics.space import learn_space
from tagging.types import FloatRows, Indices


@dataclass(frozen=True, slots=True)
class EarlierModel:
    """A model whose topics a new one continues."""

    model: TopicModel
    next_id: int


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """A new model, the topics of its pool, and the fate of the earlier topics."""

    model: TopicModel
    assignments: Assignments  # V
    lineage: Lineage
    left_out: tuple[str, ...]  # tags that say nothing about their videos


def learn_topics(pool: Pool, config: TopicsConfig, progress: Progress, earlier: EarlierModel | None = None) -> Learnt:
    """Learn the topics of a pool; the same pool and seed give the same topics.

    earlier: whose topics keep their ids where they continue, and whose videos K-means starts from
    Raises InvalidManifestError for a pool without tags, and for fewer videos than topics.
    """
    learnt = learn_space(pool, config, progress)
    rows = learnt.rows
    count = topic_count(int(rows.known.sum())) if config.count is None else config.count
    old = None if earlier is None else _nearest_topics(earlier.model, pool)
    generator = np.random.default_rng([config.seed, Stream.TOPIC_CLUSTERS])
    with progress.track("cluster videos", len(pool)) as advance:
        centres = fit_centres(rows, count, generator, None if old is None else _carried(rows, old))
        nearest, best = nearest_centres(rows, centres)
        advance(len(pool))
    nearest[~rows.known] = -1
    lineage = _lineage(earlier, old, nearest, count)
    generator = np.random.default_rng([config.seed, Stream.TOPIC_THRESHOLDS])
    thresholds = calibrate(rows, centres, config.topics_a_video, generator)
    assignments = assign(rows, centres, thresholds)
    groups = group_centres(centres)
    videos = ClusteredPool(pool, learnt.space.catalog, learnt.tags, nearest, best, assignments)
    model = TopicModel(
        space=learnt.space,
        centres=centres,
        thresholds=thresholds,
        topics=describe_topics(videos, lineage.ids, groups, config),
        groups=describe_groups(videos, lineage.ids, groups, config),
    )
    return Learnt(model, assignments, lineage, learnt.left_out)


def _lineage(earlier: EarlierModel | None, old: Indices | None, new: Indices, count: int) -> Lineage:
    if earlier is None or old is None:
        return first_lineage(count)
    ids = [topic.id for topic in earlier.model.topics]
    return match(overlaps(old, new, len(ids), count), ids, earlier.next_id)


def _nearest_topics(earlier: TopicModel, pool: Pool) -> Indices:
    """Return (V,) the row of the nearest topic of an earlier model; -1 for a video that it knows nothing of."""
    rows = earlier.space.represent(pool.embeddings, pool.tags)
    nearest, _ = nearest_centres(rows, earlier.centres)
    nearest[~rows.known] = -1
    return nearest


def _carried(rows: TopicRows, old: Indices) -> FloatRows:
    """Return the mean representation (n, Z + E) of each old topic's videos in the new space, the largest topic first.

    rows: V; old: (V,) the old topic of each; topics without a video are left out
    """
    counts = np.bincount(old[old >= 0], minlength=1)
    members = members_of(old, len(counts))
    largest = [topic for topic in np.argsort(-counts, kind="stable").tolist() if counts[topic]]
    means = [rows.values[members.at(topic)].mean(axis=0) for topic in largest]
    return np.array(means, np.float32).reshape(len(means), rows.values.shape[1])
