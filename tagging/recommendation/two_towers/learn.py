"""Learning of a recommendation model from videos and sequences in memory."""

import numpy as np

from tagging.config.recommendation import TwoTowersConfig
from tagging.errors import InvalidManifestError, NothingToLearnError
from tagging.progress import Progress
from tagging.ragged import Ragged
from tagging.recommendation.items import build_vocabulary
from tagging.recommendation.steps import only_known
from tagging.recommendation.tables import Catalog
from tagging.recommendation.two_towers.model import RecommendationModel
from tagging.recommendation.two_towers.train import fit_towers


def learn_towers(
    catalog: Catalog, training: Ragged, config: TwoTowersConfig, progress: Progress
) -> RecommendationModel:
    """Train on sequences of video rows; videos that are in none of them have no ID and teach no tag.

    A video without any of the configured views is left out of the sequences. Raises InvalidManifestError if no video
    has one, NothingToLearnError for users without anything to learn from, and TrainingDivergedError.
    """
    learnt = np.unique(training.values)
    if not len(learnt):
        raise NothingToLearnError(f"none of {len(training)} users has a video")
    vocabulary = build_vocabulary(catalog.videos, catalog.embeddings, learnt, config.views, config.min_tag_videos)
    if not vocabulary.sizes and not vocabulary.dims:
        raise InvalidManifestError(
            f"none of {len(learnt)} watched videos has one of the views {', '.join(config.views)}",
            "add columns that have them, or name other `views` in --config",
        )
    items = vocabulary.items(catalog.videos, catalog.embeddings)
    towers = fit_towers(items, only_known(training, items.known), vocabulary.sizes, config, progress)
    return RecommendationModel.of(towers, vocabulary, catalog.videos, catalog.embeddings)
