"""Predictions of a bundle on labelled videos, collected batch by batch for the tables of the evaluation."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from rank.base import Ranker, every
from rank.evaluate import system_row
from rank.select import best_first, drop_implied, select
from recall.channels.uploader import UploaderTags
from recall.evaluate import Proposal
from tagging.config.root import SelectConfig
from tagging.evaluation.systems import SystemComparison
from tagging.pipeline.rank_input import rank_inputs
from tagging.pipeline.recall_stage import RecallStage
from tagging.ragged import Tokens
from tagging.tags.catalog import TagCatalog
from tagging.text.normalise import normalise
from tagging.types import Candidates, ChannelTags, LabelledVideo, Modality, TagScores, VideoEmbeddings

Rows = NDArray[np.int64]
Row = dict[str, str | float | int]
WRITTEN_TAGS = 200  # of each video


@dataclass(frozen=True, slots=True, eq=False)
class TrueTags:
    """The true tags of a labelled video."""

    known: Rows  # of the catalog; several spellings of one tag count once
    unknown: tuple[str, ...]  # normalised

    def rows(self, new: Mapping[int, str]) -> Rows:
        """Return a row for each true tag: its catalog row, that of a new tag of the same name, or -1."""
        proposed = {normalise(name): row for row, name in new.items()}
        return np.array([*self.known, *(proposed.get(spelling, -1) for spelling in self.unknown)], np.int64)


def true_tags(rows: Sequence[LabelledVideo], catalog: TagCatalog) -> list[TrueTags]:
    """Return the true tags of each labelled video."""
    row_of = catalog.rows_by_spelling
    truth = []
    for row in rows:
        spellings = dict.fromkeys(filter(None, map(normalise, row.tags)))
        known = dict.fromkeys(row_of[spelling] for spelling in spellings if spelling in row_of)
        unknown = tuple(spelling for spelling in spellings if spelling not in row_of)
        truth.append(TrueTags(np.array([*known], np.int64), unknown))
    return truth


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationVideo:
    row: LabelledVideo
    truth: TrueTags
    embeddings: VideoEmbeddings


class PredictionWriter:
    """Writes the best tags of each video as JSON lines, a file for each channel and for the union."""

    def __init__(self, folder: Path, catalog: TagCatalog, stack: ExitStack) -> None:
        """stack: closes the files"""
        self._folder = folder
        self._catalog = catalog
        self._stack = stack
        self._files: dict[str, TextIO] = {}

    def write(self, name: str, video_id: str, best: "_BestTags", new: Mapping[int, str]) -> None:
        """Append a line to the file of a channel; new: names of the rows beyond the catalog."""
        if name not in self._files:
            path = self._folder / f"{name.replace(' ', '-')}.jsonl"
            self._files[name] = self._stack.enter_context(path.open("w", encoding="utf-8"))
        tags = [
            {"name": new[tag] if tag in new else self._catalog.names[tag], "confidence": round(float(score), 6)}
            for tag, score in zip(best.rows[:WRITTEN_TAGS].tolist(), best.scores[:WRITTEN_TAGS], strict=True)
        ]
        self._files[name].write(json.dumps({"video_id": video_id, "tags": tags}, ensure_ascii=False) + "\n")


class PredictionCollector:
    """Run recall and rank on batches of videos and collect the inputs of the tables."""

    def __init__(
        self, recall_stage: RecallStage, ranker: Ranker, selection: SelectConfig, writer: PredictionWriter | None
    ) -> None:
        self.systems = SystemComparison(recall_stage, ranker)
        self.proposals: dict[str, list[Proposal]] = {}  # by channel, and union
        self.true: list[Rows] = []  # of each video
        # Confidences and correctness of the tags of each video that may be answered, best first.
        self.answerable: list[tuple[NDArray[np.float32], NDArray[np.bool_]]] = []
        self._answered: list[Rows] = []
        self._recall_stage = recall_stage
        self._ranker = ranker
        self._selection = selection
        self._writer = writer

    def add(self, videos: Sequence[EvaluationVideo], tokens: Mapping[Modality, Tokens], suffix: str = "") -> None:
        """Predict a batch of videos.

        tokens: frames and sound of the videos
        suffix: added to the names in the recall table, for videos with a known uploader, which count there only
        """
        embeddings = [video.embeddings for video in videos]
        started = time.perf_counter()
        proposed = self._recall_stage.propose(embeddings)
        candidates = [self._recall_stage.unite(*pair).candidates for pair in zip(embeddings, proposed, strict=True)]
        recalled = time.perf_counter()
        inputs = rank_inputs([video.row.video for video in videos], tokens, embeddings, candidates)
        scores = self._ranker.score(inputs, [every] * len(inputs))
        if not suffix:
            self.systems.add(embeddings, inputs, scores, recalled - started, time.perf_counter() - recalled)
        for video, channels, united, score in zip(videos, proposed, candidates, scores, strict=True):
            prediction = _Prediction.of(video.embeddings, channels, united, score)
            true = video.truth.rows(prediction.new)
            self._add_proposals(video.row.video.video_id, prediction, true, suffix)
            if not suffix:
                self.true.append(true)
                self._add_answer(prediction, true)

    def system_rows(self) -> list[Row]:
        """Return the bundle's own answers, and all systems at one number of tags per video."""
        name = f"{self.systems.name}, as answered"
        own = system_row(name, self._answered, self.true, self.systems.seconds())
        return [own, *self.systems.compared(self.true)]

    def _add_proposals(self, video_id: str, prediction: "_Prediction", true: Rows, suffix: str) -> None:
        for name, best in prediction.by_name(suffix).items():
            proposal = Proposal(None if best is None else best.rows, true, len(self._recall_stage.catalog))
            self.proposals.setdefault(name, []).append(proposal)
            if best is not None and self._writer is not None:
                self._writer.write(name, video_id, best, prediction.new)

    def _add_answer(self, prediction: "_Prediction", true: Rows) -> None:
        candidates, scores = prediction.candidates, prediction.scores
        parents, rows = self._recall_stage.catalog.parents, candidates.tag_rows
        answerable = drop_implied(candidates, scores, parents, self._selection.max_tags)
        self.answerable.append((scores.confidences[answerable], np.isin(rows[answerable], true)))
        self._answered.append(rows[select(candidates, scores, parents, self._selection)])


@dataclass(frozen=True, slots=True, eq=False)
class _BestTags:
    rows: Rows  # best first
    scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class _Prediction:
    channels: Mapping[str, _BestTags | None]
    candidates: Candidates
    scores: TagScores
    new: Mapping[int, str]  # names of the rows beyond the catalog, of the channels and the candidates
    has_input: bool  # False: no channel had any input

    @classmethod
    def of(
        cls,
        video: VideoEmbeddings,
        proposed: Mapping[str, ChannelTags | None],
        candidates: Candidates,
        scores: TagScores,
    ) -> "_Prediction":
        return cls(
            {name: None if tags is None else _BestTags(tags.tag_rows, tags.scores) for name, tags in proposed.items()},
            candidates,
            scores,
            {row: name for tags in proposed.values() if tags is not None for row, name in tags.new.items()},
            has_input=bool(video.rows) or bool(len(candidates.tag_rows)),
        )

    @property
    def union(self) -> _BestTags:
        order = best_first(self.candidates, self.scores)
        return _BestTags(self.candidates.tag_rows[order], self.scores.confidences[order])

    def by_name(self, suffix: str) -> dict[str, _BestTags | None]:
        """Return the rows of the recall table: all channels and the union; with a suffix, only the rows that it
        changes.
        """
        union = self.union if self.has_input else None
        if suffix:
            return {UploaderTags.name: self.channels[UploaderTags.name], f"union{suffix}": union}
        return {name: best for name, best in self.channels.items() if name != UploaderTags.name} | {"union": union}
