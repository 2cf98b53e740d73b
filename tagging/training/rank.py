"""What rank learns from labelled videos: the towers, and how sure a candidate is.

Towers learn from the videos that recall's channels learnt from, confidence from those that recall's blend was fitted
on, and neither from those that say what a promise is worth (tagging/training/recall.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rank.base import Ranker
from rank.confidence import fit_confidence
from rank.contrastive import ContrastiveRanker
from rank.distributed import Hardware
from rank.precision_control import HeldOutPredictions
from rank.select import drop_implied
from rank.tree_reranker import cross_fitted, fit_tree_reranker
from tagging.bundle.labelled_videos import LabelledVideos
from tagging.bundle.manifest import RankerEntry
from tagging.config.rank import RankerConfig
from tagging.config.root import Config
from tagging.pipeline.precision import LONGEST_ANSWER
from tagging.pipeline.rank_input import only, rank_inputs
from tagging.progress import Progress
from tagging.ragged import Tokens
from tagging.tags.catalog import TagCatalog
from tagging.tags.graph import TagGraph
from tagging.training.rank_data import build_rank_data
from tagging.training.recall import HeldOutCandidates, TrainedRecall
from tagging.types import Modality, VideoRef


@dataclass(frozen=True, slots=True, eq=False)
class TrainedRanker:
    ranker: ContrastiveRanker
    graph: TagGraph
    videos: int  # that the towers learnt from

    def save(self, folder: Path) -> None:
        (folder / "rank").mkdir()
        self.ranker.save(folder / "rank")
        self.graph.save(folder / "graph.parquet")

    def entry(self) -> RankerEntry:
        thresholds = len(self.ranker.confidence.offsets)
        return RankerEntry(videos=self.videos, edges=self.graph.edges, thresholds=thresholds)


def for_this_machine(config: Config, ranker: RankerConfig) -> Config:
    """With how many processes train the ranker here and how precisely, so that a bundle says how it was trained.

    Raises InvalidConfigError where this machine cannot do what the configuration wants.
    """
    hardware = Hardware.of(ranker)
    precision = "bfloat16" if hardware.bfloat16 else "float32"
    settled = ranker.model_copy(update={"processes": hardware.processes, "precision": precision})
    return config.model_copy(update={"rank": config.rank.model_copy(update={"ranker": settled})})


def train_rank(
    videos: Sequence[VideoRef],
    tokens: Mapping[Modality, Tokens],
    labelled: LabelledVideos,
    catalog: TagCatalog,
    learning: TrainedRecall,
    config: Config,
    progress: Progress,
    checkpoint: Path | None = None,
) -> TrainedRanker:
    """What rank learns by a configuration with a ranker; NothingToLearnError where the videos teach it nothing.

    videos, tokens, labelled: V
    """
    learnt_from, blended = learning.learnt_from, learning.blended
    ranker, seed = config.rank.ranker, config.training.seed
    assert ranker is not None
    prepared = build_rank_data(
        [videos[row] for row in learnt_from.tolist()], only(tokens, learnt_from), labelled.only(learnt_from), catalog,
        ranker, seed, progress,
    )  # fmt: skip
    scorer = prepared.train(ranker, seed, progress, learning.recalled, checkpoint)
    inputs = rank_inputs([videos[row] for row in blended.rows.tolist()], only(tokens, blended.rows), blended.candidates)
    true = [labelled.tags.at(row) for row in blended.rows.tolist()]
    examples = list(zip(blended.candidates, scorer.cosines(inputs), true, strict=True))
    uploaders = labelled.uploader_numbers()[blended.rows]
    ordered = cross_fitted(examples, uploaders, ranker.order, seed)
    confidence = fit_confidence(examples, ordered, uploaders, ranker.offsets, seed)
    order = fit_tree_reranker(examples, ranker.order, seed)
    return TrainedRanker(ContrastiveRanker(scorer, order, confidence), prepared.graph, len(learnt_from))


def predict_held_out(
    ranker: Ranker,
    videos: Sequence[VideoRef],
    tokens: Mapping[Modality, Tokens],
    labelled: LabelledVideos,
    catalog: TagCatalog,
    promised: HeldOutCandidates,
) -> HeldOutPredictions | None:
    """What the bundle would answer the videos that nothing was fitted on; None where there are none."""
    rows = promised.rows.tolist()
    if not rows:
        return None
    scores = ranker.score(rank_inputs([videos[row] for row in rows], only(tokens, promised.rows), promised.candidates))
    answers = []
    for row, candidates, score in zip(rows, promised.candidates, scores, strict=True):
        places = drop_implied(candidates, score, catalog.parents, LONGEST_ANSWER)
        right = np.isin(candidates.tag_rows[places], labelled.tags.at(row))
        answers.append((score.confidences[places], right))
    return HeldOutPredictions.of(answers, labelled.uploader_numbers()[promised.rows])
