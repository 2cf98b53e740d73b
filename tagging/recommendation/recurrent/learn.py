"""Learning of the dynamic recurrent model from videos and sequences in memory."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from tagging.config.random_streams import Stream
from tagging.config.recommendation import RecurrentConfig
from tagging.errors import NothingToLearnError
from tagging.progress import Progress
from tagging.ragged import Ragged
from tagging.recommendation.items import ID, TAGS, WORDS, Items, build_vocabulary
from tagging.recommendation.loop import train_on_sequences
from tagging.recommendation.recommender import VectorRecommender
from tagging.recommendation.recurrent.network import RecurrentNetwork
from tagging.recommendation.recurrent.objective import objective
from tagging.recommendation.recurrent.topics import video_topics
from tagging.recommendation.tables import Catalog
from tagging.types import FloatRows


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """V videos as the network reads them."""

    items: Items
    sizes: Mapping[str, int]  # rows of each field's table
    topics: FloatRows  # (V, Du)


def learn_recurrent(
    catalog: Catalog, training: Ragged, config: RecurrentConfig, progress: Progress
) -> VectorRecommender:
    """Train on sequences of video rows; videos that are in none of them have no vector of their own.

    Raises NothingToLearnError if no video has one of the two views, or a tag or word, and for users without
    anything to learn from.
    """
    return train_recurrent(read_content(catalog, training, config), training, config, progress)


def read_content(catalog: Catalog, training: Ragged, config: RecurrentConfig) -> Content:
    """Build the vocabulary and the topics from the videos that are learnt from. Raises NothingToLearnError."""
    learnt = np.unique(training.values)
    read = (ID, *config.views, TAGS, WORDS)
    vocabulary = build_vocabulary(catalog.videos, catalog.embeddings, learnt, read, config.min_tag_videos)
    for view in config.views:
        if view not in vocabulary.sizes and view not in vocabulary.dims:
            raise NothingToLearnError(f"none of {len(learnt)} videos has the view {view}")
    items = vocabulary.items(catalog.videos, catalog.embeddings)
    generator = np.random.default_rng([config.seed, Stream.RECURRENT_TOPICS])
    return Content(items, vocabulary.sizes, video_topics(items, learnt, config.topics, generator))


def train_recurrent(
    content: Content, training: Ragged, config: RecurrentConfig, progress: Progress
) -> VectorRecommender:
    """Train on sequences of the rows of `content`. Raises the errors of `train_on_sequences`."""
    dims = {view: rows.shape[1] for view, rows in content.items.dense.items()}
    network = train_on_sequences(
        lambda: RecurrentNetwork(content.sizes, dims, config),
        lambda network, step: objective(network, content.items, content.topics, step, config),
        training,
        len(content.items),
        config,
        np.random.default_rng([config.seed, Stream.RECURRENT_TRAINING]),
        progress,
    )
    with torch.inference_mode():
        vectors = network.videos(content.items).vectors.numpy()
    return VectorRecommender(network.users, vectors, config.history)
