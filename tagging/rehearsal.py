"""A ranker's lessons without a bundle, for trainings that are only looked at: as `train` gives them, recall first."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tagging.catalog import TagCatalog
from tagging.config import Config, RankerConfig
from tagging.errors import NothingToLearnError
from tagging.features.extract import Extraction
from tagging.learning import learn_recall
from tagging.lessons import Lessons, lessons
from tagging.pipeline import only
from tagging.progress import Progress
from tagging.store.labelled import LabelledVideos
from tagging.types import TagLists, VideoRef

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Rehearsal:
    rows: NDArray[np.int64]  # n of the V videos, those that a ranker is trained on
    lessons: Lessons  # n
    recalled: TagLists | None  # n, what recall proposes for each; None: recall learnt nothing


def rehearse(
    videos: Sequence[VideoRef],
    extraction: Extraction,
    labelled: LabelledVideos,
    catalog: TagCatalog,
    config: Config,
    ranker: RankerConfig,
    progress: Progress,
) -> Rehearsal:
    """videos, extraction, labelled: V. Where they are too few for recall to learn from, all are the ranker's."""
    rows, recalled = np.arange(len(videos)), None
    try:
        if config.recall.learnt is not None and ranker.negatives.recalled:
            learning = learn_recall(extraction.embeddings, labelled, catalog, None, [], config, progress)
            rows, recalled = learning.learnt_from, learning.recalled
    except NothingToLearnError as error:
        logger.info("no negatives from recall: %s", error)
    prepared = lessons(
        [videos[row] for row in rows.tolist()], only(extraction.tokens, rows), labelled.only(rows), catalog, ranker,
        config.training.seed, progress,
    )  # fmt: skip
    return Rehearsal(rows, prepared, recalled)
