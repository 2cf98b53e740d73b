"""A ranker's lessons without a bundle, for trainings that are only looked at: as `train` gives them, recall first."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.bundle.labelled_videos import LabelledVideos
from tagging.config.rank import RankerConfig
from tagging.config.root import Config
from tagging.errors import NothingToLearnError
from tagging.features.extract import Extraction
from tagging.pipeline.rank_input import only
from tagging.progress import Progress
from tagging.ragged import TagLists
from tagging.tags.catalog import TagCatalog
from tagging.training.rank_data import RankTrainingData, build_rank_data
from tagging.training.recall import train_recall
from tagging.types import VideoRef

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class TrialData:
    rows: NDArray[np.int64]  # n of the V videos, those that a ranker is trained on
    build_rank_data: RankTrainingData  # n
    recalled: TagLists | None  # n, what recall proposes for each; None: recall learnt nothing


def build_trial_data(
    videos: Sequence[VideoRef],
    extraction: Extraction,
    labelled: LabelledVideos,
    catalog: TagCatalog,
    config: Config,
    ranker: RankerConfig,
    progress: Progress,
) -> TrialData:
    """videos, extraction, labelled: V. Where they are too few for recall to learn from, all are the ranker's."""
    rows, recalled = np.arange(len(videos)), None
    try:
        if config.recall.learnt is not None and ranker.negatives.recalled:
            learning = train_recall(extraction.embeddings, labelled, catalog, None, [], config, progress)
            rows, recalled = learning.learnt_from, learning.recalled
    except NothingToLearnError as error:
        logger.info("no negatives from recall: %s", error)
    prepared = build_rank_data(
        [videos[row] for row in rows.tolist()], only(extraction.tokens, rows), labelled.only(rows), catalog, ranker,
        config.training.seed, progress,
    )  # fmt: skip
    return TrialData(rows, prepared, recalled)
