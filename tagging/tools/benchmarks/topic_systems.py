"""Systems of the benchmark of topics: each clusters held-out videos into K clusters without their categories.

Trained systems learn from the other videos. LDA and PCA + K-means learn nothing from labels, so they are fitted on all
texts, which is to their advantage. PCA + K-means is BERTopic (Grootendorst 2022) with the reduction and the clustering
that its documentation names as alternatives: UMAP and HDBSCAN leave many videos without a topic, and are no
dependencies of this project.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA, LatentDirichletAllocation
from sklearn.feature_extraction.text import CountVectorizer

from tagging.config.random_streams import Stream
from tagging.config.topics import TopicsConfig
from tagging.progress import Progress
from tagging.text.words import split_words
from tagging.tools.benchmarks.topic_predictions import neighbour_tags
from tagging.topics.clusters import fit_centres, nearest_centres
from tagging.topics.content import ContentRows, dims_of
from tagging.topics.pool import Pool, certain
from tagging.topics.representation import TopicRows, join, pool_means
from tagging.topics.space import LearntSpace, learn_space, pool_tasks, tag_lists
from tagging.topics.tag_vectors import mean_tag_vectors
from tagging.topics.train import fit_mmoe
from tagging.types import FloatRows, Indices

PCA_DIMS = 50
LEAST_TEXTS = 2  # of a word of LDA
MOST_SHARE = 0.5  # of the texts that have a word of LDA

Cluster = Callable[[int, int], Indices]  # K, seed -> (V,) the cluster of each held-out video


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """A way to cluster, and the representations of the held-out videos (V) that it clusters; None: it has none."""

    cluster: Cluster
    rows: TopicRows | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """A division of the videos; the categories of `held_out` are for measuring only."""

    training: Pool
    held_out: Pool


def systems_of(fold: Fold, config: TopicsConfig, progress: Progress) -> dict[str, System]:
    """Return the systems by name, in the order of the table; those that learn have learnt."""
    learnt = learn_space(fold.training, config, progress)
    held_out = fold.held_out
    rows = learnt.space.represent(held_out.embeddings, held_out.tags)
    dims = dims_of(fold.training.embeddings)
    content = ContentRows.of(held_out.embeddings, dims)
    systems = {name: _k_means(_alone(content.values[name])) for name in dims}
    systems["tags"] = _k_means(rows.without(0))
    systems["lda"] = System(lambda count, seed: _lda(fold, count, seed))
    systems["text, PCA + k-means"] = System(lambda count, seed: _pca(fold, count, seed))
    systems["mmoe"] = _k_means(rows.without(1))
    systems["mmoe with tags as input"] = _k_means(_tags_as_input(fold, learnt, config, progress))
    systems["mmoe + tags"] = _k_means(rows)
    return {**systems, **_with_predicted_tags(fold, config, progress)}


def _with_predicted_tags(fold: Fold, config: TopicsConfig, progress: Progress) -> dict[str, System]:
    """Return systems whose videos without tags have those that their neighbours vote for, in training as well."""
    predicted = neighbour_tags(fold.training, fold.held_out, progress)
    training, held_out = (replace(pool, predicted=predicted) for pool in (fold.training, fold.held_out))
    space = learn_space(training, config, progress).space
    plain = [certain(list(tags)) for tags in held_out.tags]
    return {
        "mmoe + tags, predicted by confidence": _k_means(space.represent(held_out.embeddings, held_out.tags)),
        "mmoe + tags, predicted by plain mean": _k_means(space.represent(held_out.embeddings, plain)),
    }


def _k_means(rows: TopicRows) -> System:
    """Return K-means on representations; videos without any are one more cluster."""

    def cluster(count: int, seed: int) -> Indices:
        nearest, _ = nearest_centres(rows, fit_centres(rows, count, np.random.default_rng(seed)))
        return np.asarray(np.where(rows.known, nearest, count))

    return System(cluster, rows)


def _tags_as_input(fold: Fold, learnt: LearntSpace, config: TopicsConfig, progress: Progress) -> TopicRows:
    """Return z of the held-out videos by a mixture of experts that reads tags, too: the paper's ablation."""
    space, vectors = learnt.space, learnt.space.tag_vectors
    training = _with_tags(fold.training, mean_tag_vectors(vectors, learnt.tags))
    lists, _ = tag_lists(space.catalog, fold.held_out.tags)
    tasks = pool_tasks(fold.training, space.catalog, learnt.tags, config.mmoe)
    generator = np.random.default_rng([config.seed, Stream.TOPIC_TRAINING])
    mmoe = fit_mmoe(training, tasks, config.mmoe, generator, progress)
    z = mmoe.represent(training)
    means = pool_means(z, z[:, :0])
    return _alone(mmoe.represent(_with_tags(fold.held_out, mean_tag_vectors(vectors, lists), space.mmoe.dims)), means)


def _alone(rows: FloatRows, means: FloatRows | None = None) -> TopicRows:
    """Return rows (V, D) as representations of one half; means: (D,) to subtract, None: the rows as they are."""
    return join(rows, rows[:, :0], np.zeros(rows.shape[1], np.float32) if means is None else means)


def _with_tags(pool: Pool, tags: FloatRows, dims: dict[str, int] | None = None) -> ContentRows:
    content = ContentRows.of(pool.embeddings, dims_of(pool.embeddings) if dims is None else dims)
    present = np.concatenate([content.present, tags.any(axis=1, keepdims=True)], axis=1)
    return ContentRows({**content.values, "tags": tags}, present)


def _lda(fold: Fold, count: int, seed: int) -> Indices:
    """Return the most probable topic of latent Dirichlet allocation over the words of the texts."""
    words = CountVectorizer(analyzer=split_words, min_df=LEAST_TEXTS, max_df=MOST_SHARE)
    texts = [video.video.text for pool in (fold.training, fold.held_out) for video in pool.videos]
    counts = words.fit_transform(texts)
    lda = LatentDirichletAllocation(count, learning_method="online", random_state=seed)
    lda.fit(counts)
    return np.asarray(lda.transform(counts[len(fold.training) :]).argmax(axis=1), np.int64)


def _pca(fold: Fold, count: int, seed: int) -> Indices:
    """Return the clusters of K-means over the principal components of the text embeddings."""
    embeddings = [row for pool in (fold.training, fold.held_out) for row in pool.embeddings]
    rows = ContentRows.of(embeddings, {"text": dims_of(embeddings)["text"]}).values["text"]
    reduced = PCA(min(PCA_DIMS, *rows.shape), random_state=seed).fit_transform(rows)
    labels = KMeans(count, n_init=3, random_state=seed).fit(reduced).labels_
    return np.asarray(labels[len(fold.training) :], np.int64)
