"""Training of the rank stage: the towers, the re-ranker, and the calibration of confidences.

The towers are trained on the videos of the recall model. Re-ranker and calibration are fitted on the videos that the
fusion was fitted on, which the towers of their fold were not trained on (tagging/training/video_split.py). Nothing is
fitted on the videos for precision control.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rank.base import Ranker, every
from rank.confidence import fit_confidence
from rank.contrastive import ContrastiveRanker, TagScorer
from rank.precision_control import HeldOutPredictions
from rank.select import drop_implied
from rank.texts import RowEncoder
from rank.tree_reranker import Example, cross_fitted_scores, fit_tree_reranker
from tagging.bundle.manifest import RankerEntry
from tagging.config.root import Config
from tagging.pipeline.precision import LONGEST_ANSWER
from tagging.pipeline.rank_input import rank_inputs
from tagging.progress import Progress
from tagging.tags.graph import TagGraph
from tagging.training.rank_data import build_rank_data
from tagging.training.recall import HeldOutCandidates, TrainedRecall
from tagging.training.training_set import TrainingSet
from tagging.types import RankInput


@dataclass(frozen=True, slots=True, eq=False)
class TrainedRanker:
    ranker: ContrastiveRanker
    graph: TagGraph
    videos: int  # that the towers were trained on

    def save(self, folder: Path) -> None:
        """Write rank/ and graph.parquet into the folder of a bundle."""
        (folder / "rank").mkdir()
        self.ranker.save(folder / "rank")
        self.graph.save(folder / "graph.parquet")

    def entry(self) -> RankerEntry:
        thresholds = len(self.ranker.confidence.offsets)
        return RankerEntry(videos=self.videos, edges=self.graph.edges, thresholds=thresholds)


def train_rank(
    training_set: TrainingSet,
    recall: TrainedRecall,
    text: RowEncoder | None,
    config: Config,
    progress: Progress,
    checkpoint: Path | None = None,
) -> TrainedRanker:
    """Train the rank stage by a configuration with a ranker.

    text: the text encoder of the training set
    checkpoint: the file that the towers' training is saved in and resumed from; that of fold 1, if there are several
        folds, has ".1" after its name, and so on
    Raises NothingToLearnError if the videos are not enough for any part of it.
    """
    ranker, seed = config.rank.ranker, config.training.seed
    assert ranker is not None
    folds = recall.split.folds

    def train_towers(rows: NDArray[np.int64], file: Path | None) -> tuple[TagScorer, TagGraph]:
        data = build_rank_data(training_set.only(rows), text, ranker, seed, progress)
        return data.train(ranker, seed, progress, recall.recalled.only(rows), file), data.graph

    examples: list[Example] = []
    for number, (fold, held_out) in enumerate(zip(folds, recall.fold_candidates, strict=True), 1):
        tag_scorer, graph = train_towers(fold.train, checkpoint if len(folds) == 1 else _numbered(checkpoint, number))
        cosines = tag_scorer.cosines(_rank_inputs(training_set, held_out))
        true_tags = [training_set.labelled.tags.at(row) for row in held_out.rows.tolist()]
        examples += zip(held_out.candidates, cosines, true_tags, strict=True)
    if len(folds) > 1:
        tag_scorer, graph = train_towers(recall.split.learnt, checkpoint)
    uploaders = training_set.labelled.uploader_numbers()[np.concatenate([fold.held_out for fold in folds])]
    scores = cross_fitted_scores(examples, uploaders, ranker.order, seed)
    confidence = fit_confidence(examples, scores, uploaders, ranker.offsets, seed)
    reranker = fit_tree_reranker(examples, ranker.order, seed)
    trained = ContrastiveRanker(tag_scorer, reranker, confidence)
    return TrainedRanker(trained, graph, len(recall.split.learnt))


def _numbered(checkpoint: Path | None, fold: int) -> Path | None:
    return None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}.{fold}")


def predict_held_out(
    ranker: Ranker, training_set: TrainingSet, held_out: HeldOutCandidates
) -> HeldOutPredictions | None:
    """Return the bundle's predictions for the videos that nothing was fitted on; None if there are none."""
    rows = held_out.rows.tolist()
    if not rows:
        return None
    scores = ranker.score(_rank_inputs(training_set, held_out), [every] * len(rows))
    predictions = []
    for row, candidates, score in zip(rows, held_out.candidates, scores, strict=True):
        answered = drop_implied(candidates, score, training_set.catalog.parents, LONGEST_ANSWER)
        right = np.isin(candidates.tag_rows[answered], training_set.labelled.tags.at(row))
        predictions.append((score.confidences[answered], right))
    return HeldOutPredictions.of(predictions, training_set.labelled.uploader_numbers()[held_out.rows])


def _rank_inputs(training_set: TrainingSet, held_out: HeldOutCandidates) -> list[RankInput]:
    subset = training_set.only(held_out.rows)
    return rank_inputs(subset.videos, subset.tokens, subset.embeddings, held_out.candidates)
