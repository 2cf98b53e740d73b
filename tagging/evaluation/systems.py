"""The systems that the seed compares in its Table 3, gathered over batches of videos.

recall + rank   what the bundle answers; "recall" or "recall + noisy-or" where no ranker was trained
recall          the same candidates in the order of recall's own likelihood
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
DEEPEST = 200
COMPARED_AT = 3.0  # tags a video, in the mean


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
    def __init__(self, recall_stage: RecallStage, ranker: Ranker) -> None:
        self._recall_stage = recall_stage
        self._scorer = ranker.scorer if isinstance(ranker, ContrastiveRanker) else None
        self._whole: ExhaustiveRanker | None = None
        if self._scorer is not None:
            self._whole = ExhaustiveRanker(self._scorer.tag_vectors, recall_stage.catalog.hidden)
        self._classifier = next((one for one in recall_stage.channels if isinstance(one, Classifier)), None)
        untrained = "recall + noisy-or" if recall_stage.blend is None else "recall"
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
        """A batch: what is looked at, the candidates and what the ranker made of them, and how long both took."""
        ours = self._systems[self.name]
        ours.seconds += recall_s + rank_s
        for given, score in zip(inputs, scores, strict=True):
            ours.add(given.candidates.tag_rows, score.confidences)
        if self._scorer is not None:
            recall = self._systems.setdefault("recall", _System())
            recall.seconds += recall_s
            for given in inputs:
                if given.candidates.likely is not None:
                    recall.add(given.candidates.tag_rows, given.candidates.likely)
            self._timed("rank alone", lambda: self._alone(inputs))
        if self._classifier is not None:
            self._timed("classifier", lambda: self._classified(videos))

    def ranking(self, true: Sequence[Rows]) -> list[Row]:
        return [ranking_row(name, one.ranked, true) for name, one in self._systems.items()]

    def compared(self, true: Sequence[Rows]) -> list[Row]:
        """Each system's surest tags, as many as make COMPARED_AT a video in the mean."""
        return [
            system_row(
                f"{name}, {COMPARED_AT:g} tags a video",
                most_confident_pairs(one.ranked, one.confidences, COMPARED_AT),
                true,
                one.seconds,
            )
            for name, one in self._systems.items()
        ]

    def seconds(self) -> float:
        """That the bundle's own answers took."""
        return self._systems[self.name].seconds

    def _timed(self, name: str, answer: Callable[[], list[tuple[Rows, NDArray[np.float32]]]]) -> None:
        system = self._systems.setdefault(name, _System())
        started = time.perf_counter()
        answers = answer()
        system.seconds += time.perf_counter() - started
        for rows, confidences in answers:
            system.add(rows, confidences)

    def _alone(self, inputs: Sequence[RankInput]) -> list[tuple[Rows, NDArray[np.float32]]]:
        assert self._scorer is not None
        assert self._whole is not None
        found = self._whole.search(self._scorer.video_vectors(inputs), DEEPEST)
        return list(zip(*found, strict=True))

    def _classified(self, videos: Sequence[VideoEmbeddings]) -> list[tuple[Rows, NDArray[np.float32]]]:
        assert self._classifier is not None
        answers = self._classifier.recall(self._recall_stage.prepared(videos))
        nothing = np.zeros(0, np.int64), np.zeros(0, np.float32)
        return [nothing if tags is None else (tags.tag_rows, tags.scores) for tags in answers]
