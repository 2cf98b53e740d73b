"""Trial training data: the ranker's training data as `train` builds it, for trainings that write no bundle."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rank.texts import RowEncoder
from tagging.config.rank import RankerConfig
from tagging.config.root import Config
from tagging.errors import NothingToLearnError
from tagging.progress import Progress
from tagging.ragged import Ragged
from tagging.training.name_sources import NameSources
from tagging.training.rank_data import RankTrainingData, build_rank_data
from tagging.training.recall import train_recall
from tagging.training.training_set import TrainingSet

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class TrialData:
    rows: NDArray[np.int64]  # rows of the n videos, of V, that a ranker is trained on
    rank_data: RankTrainingData  # n
    recalled: Ragged | None  # n, the tags that recall proposes for each; None: there is no recall model


def build_trial_data(
    training_set: TrainingSet, text: RowEncoder | None, config: Config, ranker: RankerConfig, progress: Progress
) -> TrialData:
    """Train recall if negatives come from it, and build the ranker's training data.

    text: the text encoder of the training set
    With too few videos to train recall on, all of them are for the ranker.
    """
    rows, recalled = np.arange(len(training_set)), None
    try:
        if config.recall.learnt is not None and ranker.negatives.recalled:
            recall = train_recall(training_set, NameSources(), config, progress)
            rows = recall.split.learnt
            recalled = recall.recalled.only(rows)
    except NothingToLearnError as error:
        logger.info("no negatives from recall: %s", error)
    rank_data = build_rank_data(training_set.only(rows), text, ranker, config.training.seed, progress)
    return TrialData(rows, rank_data, recalled)
