"""Training of the recall stage: the recall model, and the fusion of all channels.

The model is trained on one part of the labelled videos, and the fusion is fitted on what recall proposes for others
(tagging/training/video_split.py). Afterwards the videos of all parts take part in neighbour voting.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recall.fusion import Fusion, FusionExample, cross_fitted_candidates, fit_fusion, top_candidates
from recall.model import save_tag_rows
from tagging.bundle.manifest import ExtractorEntry, RecallModelEntry
from tagging.config.random_streams import Stream
from tagging.config.root import Config
from tagging.progress import Progress
from tagging.ragged import Ragged
from tagging.training.fusion_examples import ExampleSource
from tagging.training.name_sources import NameSources
from tagging.training.recall_model import TrainedModel, train_recall_model
from tagging.training.training_set import TrainingSet
from tagging.training.video_split import VideoSplit, split_videos
from tagging.types import Candidates


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutCandidates:
    """Recall's candidates for labelled videos that neither its channels nor its fusion were fitted on."""

    rows: NDArray[np.int64]  # (n,) of the labelled videos
    candidates: list[Candidates]  # n, within the budget


@dataclass(frozen=True, slots=True, eq=False)
class TrainedRecall:
    model: TrainedModel
    fusion: Fusion
    split: VideoSplit
    fold_candidates: list[HeldOutCandidates]  # of each fold, by a fusion that was fitted on the other half of uploaders
    control_candidates: HeldOutCandidates
    recalled: Ragged  # V, tags that recall proposes for some of the videos, as negatives for rank

    def save(self, folder: Path) -> None:
        """Write everything into a new folder."""
        folder.mkdir()
        self.model.parts.model.save(folder)
        save_tag_rows(folder, self.model.tag_vectors)
        sparse.save_npz(folder / "texts.npz", self.model.parts.texts.astype(np.float32), compressed=False)
        if self.model.parts.ridge is not None:
            self.model.parts.ridge.save(folder)
        self.fusion.save(folder / "blend.txt")

    def entry(self) -> RecallModelEntry:
        model, ridge = self.model.parts.model, self.model.parts.ridge
        return RecallModelEntry(
            labels=len(model.labels),
            landmarks=0 if ridge is None else len(ridge.weights),
            ngrams=model.features.width,
            videos=len(self.split.learnt),
            blended_on=sum(len(fold.held_out) for fold in self.split.folds),
            kept_for_promises=len(self.split.control),
        )

    def extractor_entry(self) -> ExtractorEntry | None:
        return None if self.model.extractor is None else ExtractorEntry(titles=len(self.split.learnt))


def train_recall(training_set: TrainingSet, names: NameSources, config: Config, progress: Progress) -> TrainedRecall:
    """Train the recall stage by a configuration with a recall model.

    Raises NothingToLearnError if the videos are too few, or none of the candidates is right, or all are.
    """
    seed, fusion_config = config.training.seed, config.recall.blend
    split = split_videos(training_set.labelled, config.training)

    def train_on(rows: NDArray[np.int64]) -> tuple[TrainedModel, ExampleSource]:
        model = train_recall_model(training_set, rows, names.vectors, config, progress)
        return model, ExampleSource.of(training_set, model, rows, names, config)

    examples: list[FusionExample] = []
    for number, fold in enumerate(split.folds, 1):
        model, source = train_on(fold.train)
        label = f"recall candidates for the fusion, {number} of {len(split.folds)}"
        examples += source.examples(label, fold.held_out, progress, uploaders_known=True)
    if len(split.folds) > 1:
        model, source = train_on(split.learnt)
    fusion = fit_fusion(examples, source.words, source.uses, fusion_config, seed)
    held_out = np.concatenate([fold.held_out for fold in split.folds])
    uploaders = training_set.labelled.uploader_numbers()[held_out]
    cross = cross_fitted_candidates(examples, uploaders, source.words, fusion_config, seed)

    def candidates(label: str, rows: NDArray[np.int64]) -> HeldOutCandidates:
        found = source.examples(label, rows, progress, uploaders_known=False)
        return within_budget(rows, [fusion.weigh(example.candidates, example.text) for example in found])

    def within_budget(rows: NDArray[np.int64], found: Sequence[Candidates]) -> HeldOutCandidates:
        return HeldOutCandidates(rows, [top_candidates(proposed, fusion_config.budget) for proposed in found])

    ends = np.cumsum([len(fold.held_out) for fold in split.folds])
    fold_candidates = [
        within_budget(fold.held_out, cross[end - len(fold.held_out) : end])
        for fold, end in zip(split.folds, ends.tolist(), strict=True)
    ]
    control = candidates("recall candidates for precision control", split.control)
    shuffled = np.random.default_rng([seed, Stream.RECALLED_NEGATIVES]).permutation(split.learnt)
    ranker = config.rank.ranker
    wants_negatives = ranker is not None and ranker.negatives.recalled > 0
    sample = np.sort(shuffled[: config.training.recalled if wants_negatives else 0])
    recalled = candidates("recall negatives for the ranker", sample)
    return TrainedRecall(
        model,
        fusion,
        split,
        fold_candidates,
        control,
        _catalog_tags(recalled, len(training_set), len(training_set.catalog)),
    )


def _catalog_tags(recalled: HeldOutCandidates, videos: int, tags: int) -> Ragged:
    """Return the catalog tags among the candidates of each of all videos, none for a video without candidates."""
    found = dict(zip(recalled.rows.tolist(), recalled.candidates, strict=True))
    none = np.zeros(0, np.int64)
    return Ragged.of([found[row].tag_rows[found[row].within(tags)] if row in found else none for row in range(videos)])
