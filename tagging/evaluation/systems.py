"""Comparison of systems: the full pipeline, recall alone, exhaustive ranking, and the classifier alone.

These are the systems that "Multimodal Video Tagging: Challenges and a Two-Stage Recall-Ranking Solution" (NetEase)
compares. Results are gathered over batches of videos.

recall + rank   the bundle's answers; named "recall" or "recall + noisy-or" if no ranker was trained
recall          the same candidates in the order of recall's probability
rank alone      the whole catalog in the order of the ranker's cosine, without recall
classifier      the multi-label classifier alone
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rank.base import Ranker
from rank.contrastive import ContrastiveRanker
from rank.evaluate import most_confident_pairs, ranking_row, system_row
from rank.exhaustive import ExhaustiveRanker
from recall.channels.classifier import Classifier
from tagging.pipeline.recall_stage import RecallStage
from tagging.types import RankInput, TagScores, VideoEmbeddings

Rows = NDArray[np.int64]
Row = dict[str, str | float | int]
RANKED_TAGS = 200
COMPARED_AT = 3.0  # tags per video, on average


@dataclass(slots=True, eq=False)
class _System:
    ranked: list[Rows] = field(default_factory=list)  # best first
    confidences: list[NDArray[np.float32]] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, rows: Rows, confidences: NDArray[np.float32]) -> None:
        order = np.lexsort((rows, -confidences))
        self.ranked.append(rows[order])
        self.confidences.append(confidences[order])


class SystemComparison:
    """Ranked tags and times of every system that a bundle has the parts of."""

    def __init__(self, recall_stage: RecallStage, ranker: Ranker) -> None:
        self._recall_stage = recall_stage
        self._scorer = ranker.scorer if isinstance(ranker, ContrastiveRanker) else None
        self._exhaustive: ExhaustiveRanker | None = None
        if self._scorer is not None:
            self._exhaustive = ExhaustiveRanker(self._scorer.tag_vectors, recall_stage.catalog.hidden)
        classifiers = (channel for channel in recall_stage.channels if isinstance(channel, Classifier))
        self._classifier = next(classifiers, None)
        untrained = "recall + noisy-or" if recall_stage.fusion is None else "recall"
        self.name = "recall + rank" if self._scorer is not None else untrained
        self._systems = {self.name: _System()}

    def add(
        self,
        videos: Sequence[VideoEmbeddings],
        inputs: Sequence[RankInput],
        scores: Sequence[TagScores],
        recall_s: float,
        rank_s: float,
    ) -> None:
        """Add a batch of the bundle's answers, and run the other systems on it.

        inputs, scores: the candidates of the videos and the ranker's confidences
        recall_s, rank_s: how long the two stages took for the batch
        """
        bundle = self._systems[self.name]
        bundle.seconds += recall_s + rank_s
        for rank_input, score in zip(inputs, scores, strict=True):
            bundle.add(rank_input.candidates.tag_rows, score.confidences)
        if self._scorer is not None:
            recall = self._systems.setdefault("recall", _System())
            recall.seconds += recall_s
            for rank_input in inputs:
                if rank_input.candidates.probabilities is not None:
                    recall.add(rank_input.candidates.tag_rows, rank_input.candidates.probabilities)
            self._run("rank alone", lambda: self._rank_alone(inputs))
        if self._classifier is not None:
            self._run("classifier", lambda: self._classify(videos))

    def ranking(self, true: Sequence[Rows]) -> list[Row]:
        """Return the ranking metrics of each system."""
        return [ranking_row(name, system.ranked, true) for name, system in self._systems.items()]

    def compared(self, true: Sequence[Rows]) -> list[Row]:
        """Return each system's accuracy on its most confident tags, COMPARED_AT per video on average."""
        return [
            system_row(
                f"{name}, {COMPARED_AT:g} tags a video",
                most_confident_pairs(system.ranked, system.confidences, COMPARED_AT),
                true,
                system.seconds,
            )
            for name, system in self._systems.items()
        ]

    def seconds(self) -> float:
        """Return the time that the bundle's own answers took."""
        return self._systems[self.name].seconds

    def _run(self, name: str, answer: Callable[[], list[tuple[Rows, NDArray[np.float32]]]]) -> None:
        system = self._systems.setdefault(name, _System())
        started = time.perf_counter()
        answers = answer()
        system.seconds += time.perf_counter() - started
        for rows, confidences in answers:
            system.add(rows, confidences)

    def _rank_alone(self, inputs: Sequence[RankInput]) -> list[tuple[Rows, NDArray[np.float32]]]:
        assert self._scorer is not None
        assert self._exhaustive is not None
        rows, cosines = self._exhaustive.search(self._scorer.video_vectors(inputs), RANKED_TAGS)
        return list(zip(rows, cosines, strict=True))

    def _classify(self, videos: Sequence[VideoEmbeddings]) -> list[tuple[Rows, NDArray[np.float32]]]:
        assert self._classifier is not None
        answers = self._classifier.recall(self._recall_stage.queries(videos))
        empty = np.zeros(0, np.int64), np.zeros(0, np.float32)
        return [empty if tags is None else (tags.tag_rows, tags.scores) for tags in answers]
